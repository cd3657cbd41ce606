// The operator's dock: what the feed says, by a connection of its own, and every overlay of
// this browser: its state, what it shows, hold and release, off and on. What is wrong is
// said here and never on air.

import { byId, element, say } from "../dom.js";
import { speak } from "../language.js";
import { Overlays } from "../overlay/desk.js";
import { Link } from "../overlay/link.js";
import { OnAir } from "../overlay/onair.js";
import { readOptions } from "../overlay/options.js";
import { heldInWords } from "../verdict.js";
import { Alarms } from "./alarms.js";
import { Card } from "./card.js";
import { WORDS } from "./words.js";

const TICK_MS = 500;
// An overlay tells how it is each second; a hidden one may be slowed by the browser.
const SILENT_MS = 10_000;

const root = document.documentElement;
const language = speak(location.search, WORDS);
const query = new URLSearchParams(location.search);
const options = readOptions(query, location.pathname.replace(/^\/dock\//, "/overlay/"));
if (query.get("theme") === "light") root.dataset.theme = "light";

// Overlays of this browser, as they told last: id -> {status, at, card}.
const overlays = new Map();
const alarms = new Alarms();
const plates = new Map(); // an alarm's key -> its elements

// What the feed says, whatever the overlays do.
const feed = new OnAir(options);
const feedCard = new Card(byId("feed"), language, language.say("feed"));
let link = null; // tells its state while it is made
link = new Link(options, location.href, {
  tally: (tally) => {
    feed.take(tally);
    paint();
  },
  state: ({ name, reason }) => {
    feed.linked(name, reason);
    paint();
  },
});

const air = new Overlays((id, status) => {
  const mine = status.chamber === options.chamber &&
    status.vote === (options.rollCall ?? "current");
  if (!mine) return;
  if (!overlays.has(id)) {
    const place = element("section");
    byId("overlays").append(place);
    const command = (name, data) => air.command(id, name, data);
    const card = new Card(place, language, language.say("on_air"), command);
    overlays.set(id, { card });
  }
  Object.assign(overlays.get(id), { status, at: Date.now() });
  paint();
});

function paint() {
  const about = link?.about ?? { line: "socket", tries: 0, heardAt: Date.now() };
  const { state, reason, latest } = feed;
  feedCard.paint({
    state, rehearsal: options.rehearsal, tally: feed.frame,
    facts: factsOf(about, latest?.seq),
  });
  const wrong = new Map();
  if (state === "STALE") {
    wrong.set(`feed ${reason}`, troubleInWords("feed", reason, about.heardAt));
  }
  for (const [id, { card, ...told }] of overlays) {
    const silent = Date.now() - told.at > SILENT_MS;
    paintOverlay(card, told.status, silent);
    const [why, words] = troubleOf(told, silent);
    if (why) wrong.set(`${id} ${why}`, words);
  }
  byId("none").hidden = overlays.size > 0;
  alarm(alarms.tell(wrong));
}

function paintOverlay(card, status, silent) {
  const { state, reason, rehearsal, tally, head, visible, delayMs, layout } = status;
  card.paint({
    state: silent ? "SILENT" : state,
    rehearsal,
    tally: visible ? tally : null,
    facts: [
      ...factsOf(status, head),
      delayMs ? language.say("delay", { n: delayMs / 1000 }) : "",
      tally?.manual ? language.say("by_hand") : "",
      visible ? "" : language.say("off"),
    ],
    step: stepOf(layout),
    accept: reason === "restored",
    cleared: status.cleared,
    refused: status.refused,
  });
}

/** [why, words] of what is wrong with an overlay; [] when nothing is. */
function troubleOf({ status, at }, silent) {
  if (silent) return ["silent", language.say("silent", { time: language.time(at) })];
  const { state, reason, heardAt } = status;
  if (state !== "STALE") return [];
  return [reason, troubleInWords("on_air", reason, heardAt ?? at)];
}

/** What is wrong shouts until it is acknowledged; then it stands there calmly. */
function alarm(told) {
  const shouting = told.filter(({ seen }) => !seen);
  root.dataset.state = shouting.length > 0 ? "alarm" : "calm";
  for (const { key, words, seen } of told) {
    if (!plates.has(key)) plates.set(key, plateOf(key));
    const { plate, text, button } = plates.get(key);
    plate.classList.toggle("alarm", !seen);
    say(text, words);
    button.hidden = seen;
  }
  for (const [key, { plate }] of plates) {
    if (told.some((one) => one.key === key)) continue;
    plate.remove();
    plates.delete(key);
  }
  const aloud = shouting.map(({ words }) => words).join(" ");
  const title = `${language.say("dock")} · Tellers`;
  document.title = aloud ? `⚠ ${title}` : title;
  if (byId("aloud").textContent !== aloud) byId("aloud").textContent = aloud;
}

function plateOf(key) {
  const text = element("span");
  const button = element("button", {
    type: "button", textContent: language.say("acknowledge"),
  });
  button.onclick = () => {
    alarms.acknowledge(key);
    paint();
  };
  const plate = element("p", { class: "trouble figures" }, text, button);
  byId("trouble").append(plate);
  return { plate, text, button };
}

const stepOf = (layout) => (layout === "members" ? 1 : layout === "result" ? 2 : 0);

function factsOf({ line, tries, heardAt }, seq) {
  if (line === undefined) return [language.say("line.none")];
  const seconds = Math.max(0, Math.round((Date.now() - heardAt) / 1000));
  return [
    seq === undefined || seq === null ? "" : language.say("seq", { n: String(seq) }),
    language.say("heard", { n: seconds }),
    language.say(`line.${line}`),
    tries > 0 ? language.say("tries", { n: tries }) : "",
  ];
}

function troubleInWords(what, reason, since) {
  const key = `why.${reason}`;
  const why = language.has(key) ? language.say(key) : heldInWords(reason, language);
  return language.say("trouble", { what: language.say(what), why, time: language.time(since) });
}

setInterval(paint, TICK_MS);
paint();
