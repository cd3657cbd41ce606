// The overlay: options, link, playout globals, desk and OBS around an `OnAir` and a
// `Plate`.

import { Delay } from "../delay.js";
import { byId } from "../dom.js";
import { speak } from "../language.js";
import { Desk } from "./desk.js";
import { Grid } from "./grid.js";
import { Link } from "./link.js";
import { forget, recall, remember } from "./memory.js";
import { OnAir } from "./onair.js";
import { isOther, readOptions } from "./options.js";
import { Plate } from "./layout.js";
import { readData, sorted } from "./templates.js";

const root = document.documentElement;
const settings = JSON.parse(byId("settings")?.textContent ?? "{}");
const query = new URLSearchParams(location.search);
const isPlayout = () => Boolean(window.caspar ?? window.casparcg);

let typed = {}; // options from a playout server
let options = readOptions(query, location.pathname, settings);
let onAir = null;
let link = null;
let plate = null;
let grid = null;
let visible = !isPlayout(); // a playout server says when
let step = 0;
let told = "";
const desk = new Desk((name, data) => act(name, data));
const delay = new Delay(options.delayMs, () => link?.about.skew ?? null);

/** What a playout's "next" goes through: the tally, who voted how, the result. */
const steps = () => [options.layout, "members", "result"];

/** The pictures, in the language and with the symbols that are wished. */
function build() {
  const language = speak(`?lang=${encodeURIComponent(options.lang)}`);
  if (options.dir) root.dir = options.dir;
  byId("overlay").replaceChildren();
  grid = new Grid(options, base());
  plate = new Plate(byId("overlay"), language, options, grid);
}

/** How it looks; the same as many times as one likes. */
function dress() {
  for (const name of ["theme", "palette"]) root.dataset[name] = options[name];
  root.dataset.animate = options.animate ? "1" : "0";
  root.dataset.safe = options.safe ? "1" : "0";
  document.body.style.background = options.chroma;
}

/** Follow another vote, from nothing: never a morph of one into the other. */
function follow() {
  link?.stop();
  delay.clear();
  onAir = new OnAir(options);
  recall(options, onAir);
  const mine = onAir;
  link = options.offline // only what the playout server types
    ? null
    : new Link(options, base(), {
        tally: (tally) => mine === onAir && take(tally),
        state: ({ name, reason }) => mine === onAir && linked(name, reason),
      });
}

// A file from disk names its endpoint; a page of ours is its own.
const base = () => options.endpoint || location.href;

/** A tally takes effect after the delay that lines it up with the programme's picture. */
function take(tally) {
  delay.pass(tally.at, () => {
    onAir.take(tally);
    remember(options, onAir);
    paint();
  });
}

function linked(name, reason) {
  onAir.linked(name, reason);
  paint();
}

function paint() {
  root.dataset.layout = steps()[step];
  plate.paint(visible ? onAir.frame : null, root.dataset.layout);
  tell();
}

/** To everyone but the picture: what state it is in. */
function tell() {
  const { state, reason, latest, refused } = onAir;
  desk.tell({
    ...link?.about,
    state, reason, visible, refused,
    vote: options.rollCall ?? "current",
    chamber: options.chamber,
    rehearsal: options.rehearsal,
    layout: root.dataset.layout,
    delayMs: options.delayMs,
    tally: onAir.frame,
    cleared: onAir.memory.cleared,
    head: latest?.seq ?? null,
  });
  const news = JSON.stringify([state, reason, refused]);
  if (told === news) return;
  told = news;
  root.dataset.state = state;
  root.dataset.reason = reason;
  const detail = { state, reason, refused, seq: latest?.seq ?? null };
  dispatchEvent(new CustomEvent("tellers-overlay", { detail }));
  if (state === "STALE") dispatchEvent(new CustomEvent("alarm", { detail }));
  if (parent !== window) parent.postMessage({ tellers: state, ...detail }, "*");
}

/** What a playout server updates: options, or figures typed by hand. */
function update(given) {
  const { shown, options: more } = sorted(readData(given));
  typed = { ...typed, ...more };
  const before = options;
  options = readOptions(query, location.pathname, settings, typed);
  if (options.layout !== before.layout) step = 0;
  if (["lang", "dir", "symbols", "labels", "stamp", "endpoint"].some(
    (name) => options[name] !== before[name])) build();
  dress();
  delay.ms = options.delayMs;
  if (isOther(before, options)) follow();
  onAir.override(shown);
}

/** The next step; after the last one it is off, and `play` begins with the first. */
function next() {
  if (!visible) return;
  step = (step + 1) % steps().length;
  if (step === 0) visible = false;
}

const ACTIONS = {
  play: () => (visible = true),
  stop: () => {
    visible = false;
    step = 0;
  },
  next,
  step: (number) => (step = steps()[number] === undefined ? step : number),
  remove: () => {
    visible = false;
    link?.stop();
    delay.clear();
    desk.close();
    forget(options);
    byId("overlay").replaceChildren();
  },
  hold: () => onAir.hold(),
  release: () => onAir.release(),
  clear: () => onAir.clear(),
  show: () => onAir.show(),
  update,
};

export function act(name, ...given) {
  if (!Object.hasOwn(ACTIONS, name)) return;
  ACTIONS[name](...given);
  if (name !== "remove") remember(options, onAir);
  paint();
}

build();
dress();
follow();
paint();

// The desk's commands: tellers.hold(), tellers.release(), tellers.clear(), tellers.show().
window.tellers = Object.fromEntries(
  Object.keys(ACTIONS).map((name) => [name, (...given) => act(name, ...given)]),
);
for (const call of window.tellersCalls.splice(0)) act(...call);
window.tellersCalls.handler = act;

// SPX may leave its values in an object instead of calling.
if (window.spxData) act("update", window.spxData);

// The page around us, when there is one, is the desk too (ograf.js).
addEventListener("message", ({ source, data }) => {
  if (source === parent && typeof data?.tellers === "string") act(data.tellers, data.data);
});

// OBS: an inactive source goes on quietly; when it comes back it is simply right.
addEventListener("obsSourceActiveChanged", ({ detail }) => {
  root.dataset.animate = detail?.active === false || !options.animate ? "0" : "1";
});
