// The page /verify: takes a file, has it verified in this browser, shows what came of it.
// Everything is loaded at once: later no network is needed, and none is used.

import { byId, say } from "../dom.js";
import { offerLanguages, speak } from "../language.js";
import { Unreadable } from "./json.js";
import { paintReport } from "./report.js";
import { findTools } from "./tools.js";
import { verify } from "./verify.js";
import { WORDS } from "./words.js";

const root = document.documentElement;
const language = speak(location.search, WORDS);
const tools = findTools();
let latest = 0;

/** Verify what this promise brings, and show it, unless something newer came. */
async function check(coming) {
  latest += 1;
  const mine = latest;
  root.dataset.state = "checking";
  say(byId("aloud"), language.say("state.checking"));
  const report = await coming
    .then(async (bytes) => verify(bytes, await tools))
    .catch(unreadable);
  if (mine !== latest) return;
  paintReport(byId("report"), report, language);
  byId("report").hidden = false;
  say(byId("drop-words"), language.say("another"));
  root.dataset.state = report.state;
  say(byId("aloud"), language.say(`state.${report.state}`));
  scrollTo({ top: 0 });
}

/** A file that could not even be read, as a report. */
function unreadable(error) {
  if (!(error instanceof Unreadable) && !(error instanceof DOMException)) throw error;
  const why = error instanceof Unreadable ? error : new Unreadable("text");
  return { state: "unreadable", unreadable: why, checks: [] };
}

/** What was dropped or pasted: a file, or text. False when it is neither. */
function take(data) {
  const [file] = data.files;
  if (file) return check(file.arrayBuffer().then((buffer) => new Uint8Array(buffer)));
  const text = data.getData("text/plain");
  return text === "" ? false : check(asBytes(text));
}

const asBytes = async (text) => new TextEncoder().encode(text);

/** The certificate of a roll call of this very system: `?chamber=&roll_call=`. */
async function fetched(chamber, rollCall) {
  const address =
    `/v1/${encodeURIComponent(chamber)}/roll-calls/${encodeURIComponent(rollCall)}/certificate`;
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok) throw new Unreadable("fetch");
  return new Uint8Array(await answer.arrayBuffer());
}

function listen() {
  byId("file").addEventListener("change", ({ target }) => {
    if (target.files.length > 0) take({ files: target.files });
    target.value = ""; // the same file again is a change too
  });
  byId("check").addEventListener("click", () => check(asBytes(byId("text").value)));
  addEventListener("paste", (event) => {
    const typing = event.target.closest?.("input, textarea");
    if (!typing && take(event.clipboardData)) event.preventDefault();
  });
  // Anywhere on the page: a file dropped beside the field would replace the page.
  addEventListener("dragover", (event) => {
    event.preventDefault();
    root.toggleAttribute("data-dragging", true);
  });
  addEventListener("dragleave", ({ relatedTarget }) => {
    if (relatedTarget === null) root.toggleAttribute("data-dragging", false);
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    root.toggleAttribute("data-dragging", false);
    take(event.dataTransfer);
  });
}

document.title = `${language.say("verify")} · Tellers`;
say(byId("promise"), language.say("promise"));
say(byId("drop-words"), language.say("drop"));
offerLanguages(byId("languages"), language.code);
listen();
const query = new URLSearchParams(location.search);
if (query.has("chamber") && query.has("roll_call")) {
  check(fetched(query.get("chamber"), query.get("roll_call")));
}
