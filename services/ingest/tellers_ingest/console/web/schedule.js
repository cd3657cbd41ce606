// A new roll call: what is voted on, how, and who may not vote.

import { command } from "./api.js";
import { desk, nameOf, word } from "./desk.js";
import { byId, make, say } from "./paint.js";
import { pick, pickOne } from "./picker.js";
import { RULES } from "./steps.js";

const REVEALS = ["live", "totals_only", "names_after_close", "nothing_until_close"];
// Codes of who may not vote, with the reason.
const barred = new Map();
let drawn = () => null;

/** The form's choices and fields; once. */
export function offerSchedule() {
  byId("new-reveal").append(...REVEALS.map((reveal) => make("option", { value: reveal, textContent: word(reveal) })));
  byId("new-rule").append(...RULES.map((rule) => make("option", { value: rule, textContent: rule.replaceAll("_", " ") })));
  const found = (trouble) => say(byId("trouble"), trouble);
  drawn = pickOne(byId("new-start"), byId("new-start-found"), found);
  const look = pick(byId("new-barred"), byId("new-barred-found"), ({ code }) => {
    barred.set(code, byId("new-reason").value.trim());
    byId("new-barred").value = "";
    look();
    paintBarred();
  }, found);
}

/** An empty list of who may not vote, for the chamber's members of now. */
export function beginSchedule() {
  barred.clear();
  paintBarred();
  byId("new-title").focus();
}

function paintBarred() {
  byId("barred").replaceChildren(...[...barred].map(([code, reason]) => {
    const again = () => (barred.delete(code), paintBarred(), byId("new-barred").focus());
    const remove = make("button", { type: "button", textContent: word("mayVote", { name: nameOf(code) }), onclick: again });
    return make("li", {}, `${nameOf(code)}: ${reason} `, remove);
  }));
}

/** Schedule it; what is wrong, or null. `path` is where the chamber's roll calls are. */
export async function schedule(path, id) {
  const start = drawn();
  if (start === undefined) return word("chooseIn", { field: word("drawn") });
  if (byId("new-barred").value.trim()) return word("chooseIn", { field: word("barredField") });
  const body = {
    id, title: byId("new-title").value, rule: byId("new-rule").value,
    rehearsal: byId("new-rehearsal").checked, reveal: byId("new-reveal").value,
    barred: Object.fromEntries(barred),
  };
  if (byId("new-symbol").value) body.symbol = byId("new-symbol").value;
  if (start) body.called_from = start;
  const answer = await command(path, body);
  if (answer?.status === 201) return null;
  const [fault] = answer?.errors ?? [];
  return fault ? `${fault.pointer}: ${fault.detail}` : (answer?.detail ?? word("networkDown"));
}
