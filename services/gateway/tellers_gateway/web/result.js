// The page people link to: the result, who voted what, the groups, the moments, another
// roll call beside it, and the vote through time. `?seq=` is the state then; without it
// the page is live, and the reader can pause it (WCAG 2.2.2).

import { Announcer } from "./announcer.js";
import { Card } from "./card.js";
import { Delay, handOn, readDelay } from "./delay.js";
import { byId, element, getJson, Refused, say } from "./dom.js";
import { Feed } from "./feed.js";
import { offerLanguages, speak } from "./language.js";
import { originInWords } from "./origin.js";
import { Pause } from "./pause.js";
import { Comparison } from "./result/comparison.js";
import { paintGroups } from "./result/groups.js";
import { Votes } from "./result/votes.js";
import { ENDED, isBlank } from "./verdict.js";

const RETRY_MS = 4_000;
const SPREAD_MS = 2_000;
// While votes come fast the lists follow at this pace; the figures follow at once.
const LISTS_MS = 1_000;
const FILES = [
  ["votes.csv", "CSV"], ["votes.xlsx", "XLSX"], ["votes.json", "JSON"],
  ["changes.csv", "CSV (log)"], ["voeten.csv", "CSV (Voeten)"],
  ["moments.atom", "Atom"], ["moments.jsonld", "JSON-LD (live blog)"],
];

const root = document.documentElement;
const [, , chamber, rollCall] = location.pathname.split("/").map(decodeURIComponent);
const language = speak();
const announcer = new Announcer(byId("aloud"), language);
const all = `/v1/${encodeURIComponent(chamber)}/roll-calls`;
const here = `${all}/${encodeURIComponent(rollCall)}`;
const given = new URLSearchParams(location.search);
const delay = new Delay(readDelay(given.get("delay_ms")), () => feed?.about.skew ?? null);
let feed = null;
let card = null;
let newest = null; // the tally now; with a delay, the last one that was due
let points = []; // the vote through time
let then = given.get("seq"); // null: live
let listing = 0;
const pause = new Pause({
  button: byId("pause"), words: byId("missed"), language,
  changed: (on) => {
    if (on) return;
    paintCard(newest);
    refresh().catch(() => {});
  },
});

const read = (path, query = {}) =>
  getJson(`${here}${path}?${new URLSearchParams({ lang: language.code, ...query })}`);
const asThen = () => (then === null ? {} : { as_of: then });
const votes = new Votes(language);
const asShown = () =>
  then === null && delay.ms > 0 && newest !== null ? { as_of: newest.seq } : asThen();
const comparison = new Comparison(language, (path) => read(path, asShown()));

async function begin() {
  let full;
  try {
    full = await refresh();
  } catch (error) {
    excuse(error);
    setTimeout(begin, RETRY_MS + Math.random() * SPREAD_MS);
    return;
  }
  say(byId("trouble"), "");
  follow(full);
}

function follow({ rehearsal }) {
  feed = new Feed({
    chamber,
    rehearsal,
    wishes: [{ feed: "tally", roll_call: rollCall }],
    on: { tally: hear, state: showState, restart: again, refused: again },
  });
  feed.start();
}

function again() {
  delay.clear();
  setTimeout(begin, Math.random() * SPREAD_MS);
}

/** A newer tally: the card when it is due, the lists as they are now for when they are. */
function hear(tally) {
  delay.pass(tally.at, () => take(tally));
  listing ||= setTimeout(() => {
    listing = 0;
    if (!pause.on) refresh().catch(() => {}); // the next tally asks again
  }, LISTS_MS);
}

function take(tally) {
  const before = newest;
  newest = tally;
  if (pause.on) {
    if (before === null || tally.seq > before.seq) pause.miss();
    return;
  }
  if (then !== null) return;
  paintCard(tally);
  if (before) announcer.tell(before, tally);
}

/** Fetch everything as of `then`, and paint it when it is due; returns the roll call. */
async function refresh() {
  const asked = then;
  const at = asThen();
  const [full, through, groups, told] = await Promise.all([
    read("", at), read("/timeline"), read("/groups", at), read("/moments", at),
  ]);
  const paint = () => {
    if (asked !== then || pause.on) return; // the reader has gone on, or has stopped it
    points = through.points;
    if (newest === null) newest = full;
    paintCard(asked === null ? newerOf(newest, full) : full);
    showSections(full);
    votes.paint(full);
    paintGroups(groups.groups, full.phase, language);
    paintMoments(told.moments);
    paintTime(full);
    byId("certificate").hidden = full.phase !== "closed";
    say(byId("origin"), originInWords(full, language));
    comparison.refresh().catch(() => {}); // it can be missing without harm
  };
  if (asked === null) delay.pass(full.at, paint);
  else paint();
  return full;
}

function showSections(full) {
  for (const section of document.querySelectorAll("main > section")) {
    // What was recorded at once, long after, has no course of the vote to see.
    section.hidden = "live" in section.dataset && Boolean(full.imported);
  }
  hideWithheld(full);
}

/** What a reveal policy keeps back has no place on the page. */
function hideWithheld(tally) {
  byId("groups").closest("section").hidden = Boolean(tally.withheld);
  byId("time-section").hidden = isBlank(tally) || Boolean(tally.imported);
}

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const attributes = (values) => Object.entries(values)
  .map(([name, value]) => `${name}="${value.replace(/[&<>"]/g, (sign) => ESCAPES[sign])}"`)
  .join(" ");

/** What to paste into a page. */
function paintSnippet(tally) {
  const frame = attributes({
    src: new URL(
      handOn(`/embed/${chamber}/${rollCall}?lang=${language.code}`, delay.ms), location.href,
    ).href,
    title: language.say("embed_title", { title: tally.title }),
    width: "100%", height: "420", loading: "lazy", scrolling: "no", frameborder: "0",
    referrerpolicy: "strict-origin-when-cross-origin",
    sandbox: "allow-scripts allow-popups",
    style: "width:0;min-width:100%!important;border:0", // else iOS makes it wider
  });
  const script = new URL("/elements/tellers-height.v1.js", location.href).href;
  byId("snippet").textContent =
    `<iframe ${frame}></iframe>\n<script src="${script}" defer></script>`;
}

/** What was fetched may be older than what the feed has brought meanwhile. */
function newerOf(tally, full) {
  return tally.epoch === full.epoch && tally.seq > full.seq ? tally : full;
}

function paintCard(tally) {
  if (card === null) {
    card = new Card(tally, language, "h1");
    byId("place").append(card.root);
    paintSnippet(tally);
  } else {
    card.paint(tally);
  }
  byId("rehearsal").hidden = !tally.rehearsal;
  paintPause();
  const { seq, epoch } = tally;
  byId("permalink").href = addressAt(seq);
  byId("card").href =
    `${here}/card.png?${new URLSearchParams({ lang: language.code, seq, epoch })}`;
}

function paintMoments(told) {
  byId("moments").replaceChildren(
    ...told.map(({ at, headline }) =>
      element(
        "li", {},
        element("time", { dateTime: at, textContent: language.time(at) }),
        element("span", { textContent: headline }),
      ),
    ),
  );
}

function paintTime(full) {
  const scrubber = byId("scrubber");
  const place = points.findLastIndex(({ seq }) => seq <= full.seq);
  scrubber.max = points.length - 1;
  if (document.activeElement !== scrubber || then === null) scrubber.value = place;
  const point = points[place];
  const figures = language.say("v.figures", point);
  scrubber.setAttribute("aria-valuetext", `${language.time(point.at)}, ${figures}`);
  say(byId("then"), `${language.time(point.at)}: ${figures}`);
  byId("past").hidden = then === null;
  byId("past-words").textContent = language.say("v.then", { time: language.time(point.at) });
}

/** This page as of a place in time; null: live. */
function addressAt(seq) {
  const address = new URL(location.href);
  if (seq === null) address.searchParams.delete("seq");
  else address.searchParams.set("seq", seq);
  return address.href;
}

/** Go to a place in time. The address names it, to be linked to. */
function goTo(seq) {
  then = seq;
  pause.set(false);
  history.replaceState(null, "", addressAt(seq));
  refresh().catch(() => {}); // what is shown stays, with its own time beside it
}

let scrubbing = 0;
byId("scrubber").addEventListener("input", ({ target }) => {
  const place = Number(target.value);
  clearTimeout(scrubbing);
  const last = place === points.length - 1;
  scrubbing = setTimeout(() => goTo(last ? null : points[place].seq), 120);
});
byId("latest").addEventListener("click", () => goTo(null));

function paintPause() {
  const ended = newest !== null && ENDED.has(newest.phase);
  byId("pause").hidden = then !== null || (ended && !pause.on);
}

/** A word while it is live; that it stands still is a plate that nobody overlooks. */
function showState({ name, since }) {
  root.dataset.state = name;
  say(byId("link"), language.say(`state.${name}`));
  const still = name === "stale" && newest !== null && !ENDED.has(newest.phase);
  say(byId("trouble"), still ? language.say("stale", { time: language.time(since) }) : "");
}

function excuse(error) {
  if (card !== null) return; // the last good figures stay
  const known = error instanceof Refused && language.has(error.code);
  root.dataset.state = known ? "missing" : "away";
  const id = error.code === "unknown_chamber" ? chamber : rollCall;
  say(byId("trouble"), known ? language.say(error.code, { id }) : language.say("away"));
}

for (const [file, label] of FILES) {
  byId("downloads").append(
    element("a", { href: `${here}/${file}?lang=${language.code}`, textContent: label }),
  );
}
const query = `?lang=${language.code}`;
byId("home").href = `/${query}`;
byId("board").href = handOn(
  `/board/${encodeURIComponent(chamber)}/${encodeURIComponent(rollCall)}${query}`, delay.ms,
);
byId("certificate").href = `${here}/certificate`;
offerLanguages(byId("languages"), language.code);
comparison
  .offer((limit) => getJson(`${all}?limit=${limit}`), rollCall)
  .catch(() => {}); // it can be left out
begin();
