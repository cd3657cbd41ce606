// The hall's board: fetch the roll call, then follow its events and its tally.

import { Announcer } from "./announcer.js";
import { bar } from "./bar.js";
import { Delay, handOn, readDelay } from "./delay.js";
import { byId, element, getJson, Refused, say } from "./dom.js";
import { Feed } from "./feed.js";
import { Hall } from "./hall.js";
import { offerLanguages, speak } from "./language.js";
import { THEMES } from "./looks.js";
import { originInWords } from "./origin.js";
import { Picture } from "./picture.js";
import { chip } from "./symbols.js";
import {
  ENDED, figure, heldInWords, isBlank, marked, retractionInWords, silentLabel,
  verdictInWords,
} from "./verdict.js";

const RETRY_MS = 4_000;
const SPREAD_MS = 2_000;
const COUNTS = [["yes", "yes"], ["no", "no"], ["abstain", "abstain"], ["none", "not_voting"]];
// Where the whole hall is seen at once the rail must fit beside it, whatever it says.
const SHRINKS = [1, 0.94, 0.88, 0.82, 0.76, 0.7, 0.64, 0.58];

const root = document.documentElement;
const [, , chamber, rollCall] = location.pathname.split("/").map(decodeURIComponent);
const theme = new URLSearchParams(location.search).get("theme");
if (THEMES.has(theme)) root.dataset.theme = theme;
if (theme === "auto") delete root.dataset.theme;

const language = speak();
const hall = new Hall(byId("lamps"), language);
const announcer = new Announcer(byId("aloud"), language);
const progress = bar(language, { mark: true });
const numbers = new Map();
const late = readDelay(new URLSearchParams(location.search).get("delay_ms"));
const delay = new Delay(late, () => feed?.about.skew ?? null);
let picture = null;
let feed = null;
let feedState = { name: "connecting" };
let painting = 0;
let fitted = "";

/** Fetch everything; then follow from exactly there. */
async function begin() {
  const address = `/v1/${encodeURIComponent(chamber)}/roll-calls/${
    encodeURIComponent(rollCall)}?lang=${language.code}`;
  let detail;
  try {
    detail = await getJson(address);
  } catch (error) {
    excuse(error);
    setTimeout(begin, RETRY_MS + Math.random() * SPREAD_MS);
    return;
  }
  delay.pass(detail.at, () => show(detail));
  follow(detail);
}

function show(detail) {
  picture = new Picture(detail);
  byId("message").hidden = true;
  byId("board").hidden = false;
  paintStill();
  hall.paint(picture);
  paint();
  showState(feedState);
}

function follow({ seq, epoch, rehearsal }) {
  feed = new Feed({
    chamber,
    rehearsal,
    wishes: [
      { feed: "events", roll_call: rollCall, after: seq, epoch },
      { feed: "tally", roll_call: rollCall },
    ],
    on: {
      event: (event) => delay.pass(event.time, () => picture.takeEvent(event)),
      tally: (tally) => delay.pass(tally.at, () => takeTally(tally)),
      state: showState,
      restart: again,
      refused: again,
    },
  });
  feed.start();
}

/** Forget nothing that is shown, fetch everything anew. */
function again() {
  feed.stop();
  delay.clear();
  setTimeout(begin, Math.random() * SPREAD_MS);
}

function takeTally(tally) {
  const before = picture.tally;
  if (tally.epoch === before.epoch && tally.seq < before.seq) return;
  picture.takeTally(tally);
  announcer.tell(before, tally);
  // One paint a frame, however many tallies come in it; hidden pages have no frames.
  painting ||= document.hidden ? setTimeout(paintChanges) : requestAnimationFrame(paintChanges);
}

function paintChanges() {
  painting = 0;
  for (const code of picture.settle()) hall.light(code, picture);
  if (!picture.agrees) {
    again();
    return;
  }
  paint();
}

/** The page about the roll call (list, groups, time), and where it is proven when it is
 * closed: its certificate, and who checks it. */
function linkPages() {
  const [where, id] = [chamber, rollCall].map(encodeURIComponent);
  for (const link of document.querySelectorAll(".in-full")) {
    link.href = handOn(`/v/${where}/${id}?lang=${language.code}`, delay.ms);
  }
  byId("certificate").href = `/v1/${where}/roll-calls/${id}/certificate`;
  byId("certificate").download = `${chamber}-${rollCall}.certificate.json`;
  byId("verify").href = `/verify?chamber=${where}&roll_call=${id}&lang=${language.code}`;
}

/** What does not change while the page is open. */
function paintStill() {
  const { title, symbol, rehearsal } = picture.tally;
  document.title = marked(`${title} · Tellers`, picture.tally, language);
  const key = `chamber.${chamber}`;
  say(byId("chamber"), language.has(key) ? language.say(key) : chamber);
  say(byId("symbol"), symbol);
  say(byId("title"), title);
  byId("title").dataset.long = title.length > 140 ? 2 : title.length > 60 ? 1 : 0;
  byId("rehearsal").hidden = !rehearsal;
  root.toggleAttribute("data-rehearsal", rehearsal);
}

function paint() {
  const { tally } = picture;
  const { counts, phase, verdict } = tally;
  if (root.dataset.phase !== phase) {
    root.dataset.phase = phase;
    hall.reword(picture);
  }
  root.dataset.status = verdict.status;
  root.dataset.seq = tally.seq;
  say(byId("phase"), language.say(`phase.${phase}`));
  for (const [kind, name] of COUNTS) numbers.get(kind).textContent = figure(tally, name);
  numbers.get("silent").textContent = silentLabel(phase, language);
  const barred = counts.members - counts.entitled;
  say(numbers.get("barred"), barred ? language.say("barred_count", { n: barred }) : null);
  progress.paint(tally);
  const words = verdictInWords(tally, language);
  for (const name of Object.keys(words)) say(byId(name), words[name]);
  const { retracted } = picture;
  say(byId("retracted"), retracted && retractionInWords(retracted, nameOf, language));
  byId("legend").hidden = ![...picture.lamps.values()].some(({ changed }) => changed);
  byId("proofs").hidden = phase !== "closed";
  byId("withheld").hidden = !tally.withheld;
  const asOf = language.say("as_of", { time: language.time(tally.at) });
  say(byId("as-of"), originInWords(tally, language) || asOf);
  fitRail();
}

/** Smaller letters in the rail when it overflows, decided anew when its words change. */
function fitRail(anew = false) {
  const rail = byId("rail");
  const words = rail.textContent.replace(/\d/g, "0");
  if (!anew && words === fitted) return;
  fitted = words;
  for (const shrink of SHRINKS) {
    rail.style.setProperty("--shrink", shrink);
    if (rail.scrollHeight <= rail.clientHeight) return;
  }
}

function nameOf(code) {
  return picture.members.find(({ delegation }) => delegation === code)?.name ?? code;
}

/** Live is a word; stale and held are a plate that nobody overlooks. */
function showState(state) {
  feedState = state;
  const { name, since, reason } = state;
  root.dataset.state = name;
  say(byId("link"), language.say(`state.${name}`));
  if (picture === null) return; // there is nothing yet that could be old
  const running = !ENDED.has(picture.tally.phase);
  const trouble = running && !isBlank(picture.tally) && (name === "stale" || name === "held");
  byId("trouble").hidden = !trouble;
  if (!trouble) return;
  const time = language.time(since);
  const why =
    name === "held"
      ? language.say("held", { reason: heldInWords(reason, language), time })
      : language.say("stale", { time });
  say(byId("trouble-name"), language.say(`state.${name}`));
  say(byId("trouble-why"), why);
}

/** There is nothing to show: say so calmly. A picture that is there stays. */
function excuse(error) {
  if (picture !== null) return;
  const known = error instanceof Refused && language.has(error.code);
  root.dataset.state = known ? "missing" : "away";
  byId("message").hidden = false;
  const id = error.code === "unknown_chamber" ? chamber : rollCall;
  say(byId("message-title"), known ? language.say(error.code, { id }) : language.say("away"));
  const hints = { unknown_roll_call: "unknown_roll_call_hint", unknown_chamber: null };
  const hint = known ? hints[error.code] : "away_hint";
  say(byId("message-hint"), hint && language.say(hint));
}

for (const [kind] of COUNTS) {
  const label = element("span", { textContent: kind === "none" ? "" : language.say(kind) });
  const number = element("dd", { class: "number" });
  const term = element("dt", {}, chip(kind), label);
  numbers.set(kind, number);
  if (kind === "none") numbers.set("silent", label);
  byId("counts").append(element("div", { class: "count", data: { vote: kind } }, term, number));
}
numbers.set("barred", element("p", { class: "barred figures", hidden: true }));
byId("progress").append(progress.root, numbers.get("barred"));
document.querySelector(".sample").append(chip("yes"));
new ResizeObserver(() => fitRail(true)).observe(byId("board"));
offerLanguages(byId("languages"), language.code);
linkPages();
begin();
