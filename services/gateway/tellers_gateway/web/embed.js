// The tally in a frame: one card, live, that the reader can pause (WCAG 2.2.2).
// Works in an opaque origin: no cookies, no storage.

import { Announcer } from "./announcer.js";
import { Card } from "./card.js";
import { Delay, handOn, readDelay } from "./delay.js";
import { byId, getJson, Refused, say } from "./dom.js";
import { Feed } from "./feed.js";
import { tellClicks, tellHeight } from "./height.js";
import { speak } from "./language.js";
import { ENDED } from "./verdict.js";

const RETRY_MS = 4_000;
const SPREAD_MS = 2_000;
const THEMES = new Set(["dark", "light"]);

const root = document.documentElement;
const [, , chamber, rollCall] = location.pathname.split("/").map(decodeURIComponent);
const theme = new URLSearchParams(location.search).get("theme");
if (THEMES.has(theme)) root.dataset.theme = theme;
const language = speak();
const announcer = new Announcer(byId("aloud"), language);
const late = readDelay(new URLSearchParams(location.search).get("delay_ms"));
const delay = new Delay(late, () => feed?.about.skew ?? null);
const where = `${encodeURIComponent(chamber)}/${encodeURIComponent(rollCall)}`;
const page = new URL(handOn(`/v/${where}?lang=${language.code}`, delay.ms), location.href).href;
let feed = null;
let card = null;
let shown = null;
let newest = null;
let missed = 0;
let paused = false;

async function begin() {
  const path = `/v1/${encodeURIComponent(chamber)}/roll-calls/${
    encodeURIComponent(rollCall)}/tally`;
  let tally;
  try {
    tally = await getJson(new URL(path, location.href));
  } catch (error) {
    excuse(error);
    setTimeout(begin, RETRY_MS + Math.random() * SPREAD_MS);
    return;
  }
  say(byId("message"), "");
  takeLater(tally);
  follow(tally);
}

function follow({ rehearsal }) {
  feed = new Feed({
    chamber,
    rehearsal,
    wishes: [{ feed: "tally", roll_call: rollCall }],
    on: { tally: takeLater, state: showState, restart: again, refused: again },
  });
  feed.start();
}

function again() {
  delay.clear();
  setTimeout(begin, Math.random() * SPREAD_MS);
}

function takeLater(tally) {
  delay.pass(tally.at, () => take(tally));
}

function take(tally) {
  const isNew = newest === null || tally.seq > newest.seq;
  newest = tally;
  if (paused) {
    if (isNew) missed += 1;
    say(byId("missed"), language.say("missed", { n: missed }));
    return;
  }
  paint();
}

function paint() {
  if (card === null) {
    card = new Card(newest, language);
    byId("place").append(card.root);
    card.link.target = "_blank";
    card.link.rel = "noopener";
  } else {
    card.paint(newest);
    announcer.tell(shown, newest);
  }
  card.link.href = page;
  shown = newest;
  document.title = language.say("embed_title", { title: shown.title });
  byId("rehearsal").hidden = !shown.rehearsal;
  say(byId("as-of"), language.say("as_of", { time: language.time(shown.at) }));
  byId("pause").hidden = ENDED.has(shown.phase);
}

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
  say(byId("message"), known ? language.say(error.code, { id }) : language.say("away"));
}

byId("pause").addEventListener("click", () => {
  paused = !paused;
  missed = 0;
  say(byId("missed"), paused ? language.say("missed", { n: 0 }) : "");
  say(byId("pause"), language.say(paused ? "resume" : "pause"));
  byId("pause").setAttribute("aria-pressed", String(paused));
  if (!paused) paint();
});
say(byId("pause"), language.say("pause"));
byId("pause").hidden = true;
say(byId("home"), language.say("provider"));
byId("home").href = page;
tellClicks(byId("embed"));
tellHeight(byId("embed"), `${chamber}/${rollCall}`);
begin();
