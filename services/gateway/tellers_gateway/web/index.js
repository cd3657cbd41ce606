// The first page: what is on now in each chamber, live, then the past.

import { Card } from "./card.js";
import { byId, getJson, say } from "./dom.js";
import { Feed } from "./feed.js";
import { offerLanguages, speak } from "./language.js";
import { Listing } from "./listing.js";
import { Pause } from "./pause.js";
import { verdictInWords } from "./verdict.js";

const CHAMBERS = ["ga", "sc"];
const PAGE = 20;
const SEARCH_MS = 200;
const RETRY_MS = 4_000;
const SPREAD_MS = 2_000;

const language = speak();
const listing = new Listing();
const cards = new Map();
const cursors = new Map();
const states = new Map(CHAMBERS.map((chamber) => [chamber, { name: "connecting" }]));
const later = new Map(); // what came while the reader had stopped it, by what it is of
const pause = new Pause({
  button: byId("pause"), words: byId("missed"), language, changed: catchUp,
});
let painting = 0;
let found = null; // what was searched for: {text, listing, cursors}; null: nothing
let asking = new AbortController();

function address(chamber, cursor, text = "") {
  const query = new URLSearchParams({ limit: PAGE });
  if (cursor) query.set("cursor", cursor);
  if (text) query.set("q", text);
  return `/v1/${chamber}/roll-calls?${query}`;
}

/** Fetch a chamber's newest roll calls, then follow all of them. */
async function begin(chamber) {
  if (pause.on) {
    later.set(chamber, () => begin(chamber));
    return;
  }
  let page;
  try {
    page = await getJson(address(chamber));
  } catch {
    show(chamber, { name: "stale", since: Date.now(), reason: "" });
    setTimeout(() => begin(chamber), RETRY_MS + Math.random() * SPREAD_MS);
    return;
  }
  listing.forget(chamber);
  for (const tally of page.items) listing.take(tally);
  cursors.set(chamber, page.next);
  repaint();
  const feed = new Feed({
    chamber,
    wishes: [{ feed: "tally" }],
    on: {
      tally: take,
      state: (state) => show(chamber, state),
      restart: () => again(chamber, feed),
      refused: () => again(chamber, feed),
    },
  });
  feed.start();
}

function again(chamber, feed) {
  feed.stop();
  setTimeout(() => begin(chamber), Math.random() * SPREAD_MS);
}

/** The next page of each chamber, of all or of what was searched for. */
async function more() {
  const into = found ?? { text: "", listing, cursors };
  for (const [chamber, cursor] of into.cursors) {
    if (cursor === null) continue;
    const page = await getJson(address(chamber, cursor, into.text)).catch(() => null);
    if (page === null) continue;
    for (const tally of page.items) into.listing.take(tally);
    into.cursors.set(chamber, page.next);
  }
  repaint();
}

/** Show of the past what has these words; the address names them, to be linked to. */
async function search(text) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const here = new URL(location.href);
  if (text === "") here.searchParams.delete("q");
  else here.searchParams.set("q", text);
  history.replaceState(null, "", here);
  const next = text === "" ? null : { text, listing: new Listing(), cursors: new Map() };
  try {
    if (next) await Promise.all(CHAMBERS.map((chamber) => look(chamber, next, signal)));
  } catch {
    return; // asked anew meanwhile, or away: what is shown stays
  }
  found = next;
  repaint();
}

async function look(chamber, into, signal) {
  const page = await getJson(address(chamber, null, into.text), signal);
  for (const tally of page.items) into.listing.take(tally);
  into.cursors.set(chamber, page.next);
}

function take(tally) {
  // Nobody is voting on what comes in from the past: it is there at the next visit.
  if (tally.imported) return;
  const key = `${tally.chamber}/${tally.roll_call}`;
  const before = listing.get(key);
  if (pause.on) {
    if (before === undefined || tally.seq > before.seq) pause.miss();
    later.set(key, () => take(tally));
    return;
  }
  if (listing.take(tally) === null) return;
  announce(before, tally);
  repaint();
}

/** Go on where it is now. */
function catchUp() {
  if (pause.on) return;
  for (const act of later.values()) act();
  later.clear();
}

function repaint() {
  painting ||= document.hidden ? setTimeout(paint) : requestAnimationFrame(paint);
}

function paint() {
  painting = 0;
  const { now, past } = listing;
  const shown = found ?? { listing, cursors };
  place(byId("now"), now, listing);
  place(byId("past"), shown.listing.past, shown.listing);
  const loaded = cursors.size === CHAMBERS.length;
  byId("empty").hidden = !loaded || listing.size > 0;
  byId("now-section").hidden = listing.size === 0;
  byId("nothing").hidden = now.length > 0;
  byId("past-section").hidden = past.length === 0;
  byId("not-found").hidden = found === null || found.listing.past.length > 0;
  byId("more").hidden = ![...shown.cursors.values()].some((cursor) => cursor !== null);
}

/** Cards in this order; one that is there already is only painted anew. */
function place(list, keys, from) {
  const wanted = keys.map((key) => {
    const tally = from.get(key);
    const card = cards.get(key) ?? new Card(tally, language);
    if (cards.has(key)) card.paint(tally);
    cards.set(key, card);
    return card.root;
  });
  const same =
    wanted.length === list.children.length &&
    wanted.every((item, index) => item === list.children[index]);
  // A card that stays where it is keeps the keyboard's focus.
  if (!same) list.replaceChildren(...wanted);
}

function announce(before, after) {
  if (before === undefined || before.verdict.status === after.verdict.status) return;
  const settled = ["clinched", "unreachable", "adopted", "rejected", "annulled"];
  if (!settled.includes(after.verdict.status)) return;
  const { headline, qualifier } = verdictInWords(after, language);
  byId("aloud").textContent = `${after.title}: ${headline} ${qualifier}`.trim();
}

/** The worst of the chambers' states is the page's. */
function show(chamber, state) {
  states.set(chamber, state);
  const all = [...states.values()];
  const worst =
    ["stale", "held", "connecting"].map((name) => all.find((one) => one.name === name))
      .find((one) => one !== undefined) ?? state;
  document.documentElement.dataset.state = worst.name;
  say(byId("link"), language.say(`state.${worst.name}`));
  let trouble = null;
  if (worst.name === "stale") {
    trouble = listing.size === 0
      ? `${language.say("away")} ${language.say("away_hint")}`
      : language.say("stale", { time: language.time(worst.since) });
  }
  say(byId("trouble"), trouble);
}

let typing = 0;
const find = byId("find");
find.placeholder = language.say("search_past");
find.setAttribute("aria-label", language.say("search_past"));
find.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => search(find.value.trim()), SEARCH_MS);
});
find.value = new URLSearchParams(location.search).get("q") ?? "";
if (find.value.trim() !== "") search(find.value.trim());
byId("more").addEventListener("click", more);
offerLanguages(byId("languages"), language.code);
for (const chamber of CHAMBERS) begin(chamber);
