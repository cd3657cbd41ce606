// The overlay: options, feed, playout globals and OBS around an `OnAir` and a `Plate`.

import { byId, getJson } from "../dom.js";
import { Feed } from "../feed.js";
import { speak } from "../language.js";
import { OnAir } from "./onair.js";
import { readOptions } from "./options.js";
import { Plate } from "./layout.js";
import { readData } from "./templates.js";

const POLL_MS = 2_000;
const AGAIN_MS = 1_000;
const AGAIN_SPREAD_MS = 4_000;

const root = document.documentElement;
const settings = JSON.parse(byId("settings")?.textContent ?? "{}");
const query = new URLSearchParams(location.search);
const options = readOptions(query, location.pathname, settings);
// A file from disk names its endpoint; a page of ours is its own.
const base = options.endpoint || location.href;
const asked = query.get("lang") ?? settings.lang ?? "";
const language = speak(asked ? `?lang=${encodeURIComponent(asked)}` : "?lang=en");

let onAir = new OnAir(options);
const plate = new Plate(byId("overlay"), language, options);
const isPlayout = () => Boolean(window.caspar ?? window.casparcg);
let visible = !isPlayout(); // a playout server says when
let feed = null;
let polling = 0;
let told = "";

for (const name of ["layout", "theme", "palette"]) root.dataset[name] = options[name];
root.dataset.animate = options.animate ? "1" : "0";
root.dataset.safe = options.safe ? "1" : "0";
if (options.chroma) document.body.style.background = options.chroma;

// Storage is there to bridge a reload; where it is forbidden, it is not.
const key = () => `tellers-overlay:${options.chamber}/${onAir.following}`;

function remember() {
  try {
    localStorage.setItem(key(), JSON.stringify({ at: Date.now(), tally: onAir.latest }));
  } catch {
    return;
  }
}

function recall() {
  try {
    const kept = JSON.parse(localStorage.getItem(key()));
    const age = Date.now() - kept.at;
    if (age >= 0 && age < options.keepSeconds * 1000) onAir.take(kept.tally);
  } catch {
    return;
  }
}

function paint() {
  plate.paint(visible ? onAir.frame : null);
  const { state, reason } = onAir;
  if (told === `${state} ${reason}`) return;
  told = `${state} ${reason}`;
  root.dataset.state = state;
  root.dataset.reason = reason;
  const detail = { state, reason, seq: onAir.latest?.seq ?? null };
  dispatchEvent(new CustomEvent("tellers-overlay", { detail }));
  if (parent !== window) parent.postMessage({ tellers: state, ...detail }, "*");
}

/** A tally takes effect after the delay that lines it up with the programme's picture. */
function take(tally) {
  const now = onAir;
  const act = () => {
    if (now !== onAir) return; // another vote was chosen meanwhile
    onAir.take(tally);
    remember();
    paint();
  };
  if (options.delayMs > 0) setTimeout(act, options.delayMs);
  else act();
}

function follow() {
  if (query.get("offline") === "1") return; // only what the playout server types
  const wish = { feed: "tally" };
  if (onAir.rollCall !== null) wish.roll_call = onAir.rollCall;
  feed = new Feed({
    chamber: options.chamber,
    rehearsal: options.rehearsal,
    wishes: [wish],
    base,
    on: { tally: take, state: linked, restart: again, refused: again },
  });
  feed.start();
}

/** Whatever the gateway says, the overlay stays and asks again. */
function again() {
  const wait = AGAIN_MS + Math.random() * AGAIN_SPREAD_MS;
  const now = feed;
  setTimeout(() => {
    if (now === feed) follow();
  }, wait);
}

function linked({ name, reason }) {
  onAir.linked(name, reason);
  clearInterval(polling);
  // Where no WebSocket comes through, plain reads still may.
  if (name === "stale") polling = setInterval(poll, POLL_MS);
  paint();
}

async function poll() {
  const vote = onAir.following;
  if (vote === null) return;
  const path = `/v1/${encodeURIComponent(options.chamber)}/roll-calls/${
    encodeURIComponent(vote)}/tally`;
  try {
    take(await getJson(new URL(path, base)));
  } catch {
    return; // the last good number stays
  }
}

/** What a playout server updates: the vote, the layout, or figures typed by hand. */
function update(given) {
  const { vote, chamber, layout, lang, ...rest } = readData(given);
  if (layout) {
    const chosen = readOptions(new URLSearchParams({ layout }), "", {});
    root.dataset.layout = chosen.layout;
  }
  const other = vote !== undefined && vote !== "" && vote !== (onAir.rollCall ?? "current");
  if (other || (chamber && chamber !== options.chamber)) {
    if (chamber) options.chamber = chamber;
    options.rollCall = vote === "current" ? null : (vote ?? options.rollCall);
    feed?.stop();
    onAir = new OnAir(options);
    follow();
  }
  onAir.override(rest);
  paint();
}

const ACTIONS = {
  play: () => (visible = true),
  stop: () => (visible = false),
  next: () => {
    const steps = ["lower-third", "full", "bug"];
    root.dataset.layout = steps[(steps.indexOf(root.dataset.layout) + 1) % steps.length];
  },
  remove: () => {
    visible = false;
    feed?.stop();
    clearInterval(polling);
  },
  hold: () => onAir.hold(),
  release: () => onAir.release(),
  clear: () => onAir.clear(),
  show: () => onAir.show(),
  update,
};

export function act(name, ...given) {
  ACTIONS[name]?.(...given);
  paint();
}

recall();
paint();
follow();

// The desk's commands: tellers.hold(), tellers.release(), tellers.clear(), tellers.show().
window.tellers = Object.fromEntries(
  Object.keys(ACTIONS).map((name) => [name, (...given) => act(name, ...given)]),
);
for (const call of window.tellersCalls.splice(0)) act(...call);
window.tellersCalls.handler = act;

// The page around us, when there is one, is the desk too (ograf.js).
addEventListener("message", ({ source, data }) => {
  if (source === parent && typeof data?.tellers === "string") act(data.tellers, data.data);
});

// OBS: an inactive source goes on quietly; when it comes back it is simply right.
addEventListener("obsSourceActiveChanged", ({ detail }) => {
  root.dataset.animate = detail?.active === false || !options.animate ? "0" : "1";
});
