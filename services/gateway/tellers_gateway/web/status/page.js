// The page /status: what /status.json says, every two seconds, and when it says nothing.

import { byId, element, getJson, say } from "../dom.js";
import { offerLanguages, speak } from "../language.js";
import { heldInWords } from "../verdict.js";
import { WORDS } from "./words.js";

const EVERY_MS = 2_000;
const PATIENCE_MS = 5_000;

const root = document.documentElement;
const language = speak(location.search, WORDS);
let answeredAt = null;

/** Ask once, then again after a while, for as long as the page is open. */
async function refresh() {
  try {
    const status = await getJson("/status.json", AbortSignal.timeout(PATIENCE_MS));
    answeredAt = Date.now();
    paint(status);
  } catch {
    excuse();
  }
  setTimeout(refresh, EVERY_MS);
}

function paint({ chambers, key }) {
  const all = Object.entries(chambers);
  byId("chambers").replaceChildren(...all.map(([name, one]) => card(name, one)));
  paintKey(key);
  show(all.some(([, { held }]) => held) ? "held" : "live");
  say(byId("trouble"), null);
  say(byId("as-of"), language.say("as_of", { time: language.time(answeredAt) }));
}

function card(chamber, { epoch, seq, tally_seq: counted, held, checkpoint }) {
  const key = `chamber.${chamber}`;
  const state = held ? "held" : "live";
  const rows = [
    ["in_log", seq === null ? "–" : language.number(seq)],
    ["counted", countedInWords(seq, counted)],
    ["checkpoint", checkpointInWords(checkpoint)],
    ["epoch", epoch ?? "–"],
  ];
  const list = element("dl", { class: "facts figures" });
  for (const [name, text] of rows) {
    const fact = element("div", { data: { fact: name } },
      element("dt", { textContent: language.say(name) }),
      element("dd", {}, element("bdi", { textContent: text })));
    list.append(fact);
  }
  const made = element(
    "li", { class: "card", data: { chamber, state } },
    element("h2", { textContent: language.has(key) ? language.say(key) : chamber }),
    element("p", { class: "link" }, element("span", { class: "dot" }),
      element("span", { textContent: language.say(`state.${state}`) })),
  );
  if (held) {
    const why = language.say("why_held", { reason: heldInWords(held, language) });
    made.append(element("p", { class: "alarm", textContent: why }));
  }
  made.append(list);
  return made;
}

function countedInWords(seq, counted) {
  if (seq === null || counted === null) return "–";
  if (counted >= seq) return language.say("counted_all");
  return language.say("behind", { n: seq - counted });
}

function checkpointInWords(checkpoint) {
  if (checkpoint === null) return language.say("no_checkpoint");
  const { size, at } = checkpoint;
  const time = `${language.date(at)} ${language.time(at)}`;
  return language.say("checkpoint_at", { n: size, time });
}

function paintKey(key) {
  byId("key").hidden = false;
  say(byId("fingerprint"), key && key.fingerprint);
  say(byId("vkey"), key && key.vkey);
  say(byId("made-up"), key?.made_up ? language.say("made_up") : null);
  say(byId("hint"), language.say(key ? "compare" : "no_key"));
}

/** No answer: say so, and since when; what was known stays, marked as old. */
function excuse() {
  show("stale");
  const words = answeredAt === null
    ? `${language.say("away")} ${language.say("away_hint")}`
    : language.say("unreachable", { time: language.time(answeredAt) });
  say(byId("trouble"), words);
}

function show(state) {
  if (root.dataset.state === state) return;
  root.dataset.state = state;
  say(byId("link"), language.say(`state.${state}`));
  say(byId("aloud"), language.say(`state.${state}`));
}

document.title = `${language.say("status")} · Tellers`;
say(byId("link"), language.say("state.connecting"));
offerLanguages(byId("languages"), language.code);
refresh();
