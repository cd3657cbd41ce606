// The operator's dock: what the feed says, by a connection of its own, and every overlay of
// this browser: its state, what it shows, hold and release, off and on. What is wrong is
// said here and never on air.

import { byId, element, say } from "../dom.js";
import { speak } from "../language.js";
import { Overlays } from "../overlay/desk.js";
import { Link } from "../overlay/link.js";
import { OnAir } from "../overlay/onair.js";
import { readOptions } from "../overlay/options.js";
import { chip } from "../symbols.js";
import { heldInWords, verdictInWords } from "../verdict.js";
import { WORDS } from "./words.js";

const TICK_MS = 500;
// An overlay tells how it is each second; a hidden one may be slowed by the browser.
const SILENT_MS = 10_000;
const VOTES = ["yes", "no", "abstain"];
const LAYOUTS = ["step.tally", "step.members", "step.result"];

const root = document.documentElement;
const language = speak(location.search, WORDS);
const query = new URLSearchParams(location.search);
const options = readOptions(query, location.pathname.replace(/^\/dock\//, "/overlay/"));
if (query.get("theme") === "light") root.dataset.theme = "light";

/** One card: the feed's, or an overlay's. */
class Card {
  #numbers = new Map();
  #parts = {};

  constructor(root, heading, command = null) {
    this.root = root;
    root.className = "card figures";
    const part = (name, tag = "p") => (this.#parts[name] = element(tag, { class: name }));
    const counts = element("dl", { class: "counts" });
    for (const vote of VOTES) {
      const number = element("dd", { class: "number" });
      const name = element("span", { class: "aloud", textContent: language.say(vote) });
      this.#numbers.set(vote, number);
      const term = element("dt", {}, chip(vote), name);
      counts.append(element("div", { class: "count", data: { vote } }, term, number));
    }
    this.#parts.counts = counts;
    root.replaceChildren(
      element("header", {}, element("h2", { textContent: heading }), part("state")),
      part("title"), counts, part("verdict"), part("facts"),
    );
    if (command !== null) root.append(this.#buttons(command));
  }

  #buttons(command) {
    const button = (name, press) => {
      const made = element("button", { type: "button" });
      made.onclick = () => command(...press());
      this.#parts[name] = made;
      return made;
    };
    const pressed = (name) => this.#parts[name].ariaPressed === "true";
    const steps = LAYOUTS.map((name, step) => {
      const made = button(name, () => ["step", step]);
      made.textContent = language.say(name);
      return made;
    });
    return element(
      "div", { class: "buttons" },
      button("hold", () => [pressed("hold") ? "release" : "hold"]),
      button("clear", () => [pressed("clear") ? "show" : "clear"]),
      ...steps,
    );
  }

  /** `status`: {state, tally, facts: [texts], step?, accept?}. */
  paint({ state, tally, facts, step, accept = false, cleared = false }) {
    const { title, counts, verdict } = this.#parts;
    this.root.dataset.state = state;
    say(this.#parts.state, language.say(`air.${state}`));
    say(title, tally?.title ?? "");
    counts.hidden = !tally;
    for (const vote of VOTES) {
      if (tally) say(this.#numbers.get(vote), language.number(tally.counts[vote]));
    }
    say(verdict, tally?.verdict ? verdictInWords(tally, language).headline : "");
    say(this.#parts.facts, facts.filter(Boolean).join(" · "));
    if (!this.#parts.hold) return;
    const held = state === "HELD" || accept;
    this.#press("hold", held, accept ? "accept" : held ? "release" : "hold");
    this.#press("clear", cleared, cleared ? "show" : "clear");
    LAYOUTS.forEach((name, index) => this.#press(name, step === index, name));
  }

  #press(name, is, word) {
    const button = this.#parts[name];
    button.ariaPressed = String(is);
    if (button.textContent !== language.say(word)) button.textContent = language.say(word);
  }
}

// Overlays of this browser, as they told last: id -> {status, at, card}.
const overlays = new Map();

// What the feed says, whatever the overlays do.
const feed = new OnAir(options);
const feedCard = new Card(byId("feed"), language.say("feed"));
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
    overlays.set(id, { card: new Card(place, language.say("on_air"), command) });
  }
  Object.assign(overlays.get(id), { status, at: Date.now() });
  paint();
});

function paint() {
  const about = link?.about ?? { line: "socket", tries: 0, heardAt: Date.now() };
  const { state, reason, latest } = feed;
  feedCard.paint({ state, tally: feed.frame, facts: factsOf(about, latest?.seq) });
  let alarm = state === "STALE" ? troubleInWords("feed", reason, about.heardAt) : "";
  for (const one of overlays.values()) alarm = paintOverlay(one) || alarm;
  byId("none").hidden = overlays.size > 0;
  root.dataset.state = alarm ? "alarm" : "calm";
  say(byId("trouble"), alarm);
  const title = `${language.say("dock")} · Tellers`;
  document.title = alarm ? `⚠ ${title}` : title;
  if (byId("aloud").textContent !== alarm) byId("aloud").textContent = alarm;
}

/** Paints the card; returns what is wrong with it, or "". */
function paintOverlay({ card, status, at }) {
  const silent = Date.now() - at > SILENT_MS;
  const { state, reason, tally, head, visible, delayMs, layout } = status;
  card.paint({
    state: silent ? "SILENT" : state,
    tally: visible ? tally : null,
    facts: [
      ...factsOf(status, head),
      delayMs ? language.say("delay", { n: delayMs / 1000 }) : "",
      visible ? "" : language.say("off"),
    ],
    step: stepOf(layout),
    accept: reason === "restored",
    cleared: status.cleared,
  });
  if (silent) return language.say("silent", { time: language.time(at) });
  if (state === "STALE") return troubleInWords("on_air", reason, status.heardAt ?? at);
  return "";
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
