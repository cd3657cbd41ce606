// The first page: what is on now in each chamber, live, then the past.

import { Card } from "./card.js";
import { byId, getJson, say } from "./dom.js";
import { Feed } from "./feed.js";
import { offerLanguages, speak } from "./language.js";
import { Listing } from "./listing.js";
import { verdictInWords } from "./verdict.js";

const CHAMBERS = ["ga", "sc"];
const PAGE = 20;
const RETRY_MS = 4_000;
const SPREAD_MS = 2_000;

const language = speak();
const listing = new Listing();
const cards = new Map();
const cursors = new Map();
const states = new Map(CHAMBERS.map((chamber) => [chamber, { name: "connecting" }]));
let painting = 0;

const address = (chamber, cursor) =>
  `/v1/${chamber}/roll-calls?limit=${PAGE}${cursor ? `&cursor=${cursor}` : ""}`;

/** Fetch a chamber's newest roll calls, then follow all of them. */
async function begin(chamber) {
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

async function more() {
  for (const [chamber, cursor] of cursors) {
    if (cursor === null) continue;
    const page = await getJson(address(chamber, cursor)).catch(() => null);
    if (page === null) continue;
    for (const tally of page.items) listing.take(tally);
    cursors.set(chamber, page.next);
  }
  repaint();
}

function take(tally) {
  const before = listing.get(`${tally.chamber}/${tally.roll_call}`);
  if (listing.take(tally) === null) return;
  announce(before, tally);
  repaint();
}

function repaint() {
  painting ||= document.hidden ? setTimeout(paint) : requestAnimationFrame(paint);
}

function paint() {
  painting = 0;
  const { now, past } = listing;
  place(byId("now"), now);
  place(byId("past"), past);
  const loaded = cursors.size === CHAMBERS.length;
  byId("empty").hidden = !loaded || listing.size > 0;
  byId("now-section").hidden = listing.size === 0;
  byId("nothing").hidden = now.length > 0;
  byId("past-section").hidden = past.length === 0;
  byId("more").hidden = ![...cursors.values()].some((cursor) => cursor !== null);
}

/** Cards in this order; one that is there already is only painted anew. */
function place(list, keys) {
  const wanted = keys.map((key) => {
    const tally = listing.get(key);
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

byId("more").addEventListener("click", more);
offerLanguages(byId("languages"), language.code);
for (const chamber of CHAMBERS) begin(chamber);
