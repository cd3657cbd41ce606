// Closing: all that is to be compared first, then the figures that were announced.

import { desk, nameOf, paragraph, ruleOf, roll, said, timeOf, word } from "./desk.js";
import { ask, byId, make, say } from "./paint.js";

/** Ask for the announced figures, beside what is recorded. `go` sends the step. */
export async function askClose(go) {
  if (!(await desk.sender.reload()) || !roll().closing) return say(byId("trouble"), word("networkDown"));
  const inputs = ["yes", "no", "abstain"].map((name) =>
    make("input", { type: "number", min: 0, required: true, id: `announced-${name}` }));
  const fields = inputs.map((input, at) => make("label", {}, [word("yes"), word("no"), word("abstain")][at], input));
  const body = [...compared(), paragraph(word("announced")), make("div", { className: "row" }, ...fields)];
  ask(word("closeTitle"), body, word("closeTitle"), () => {
    if (!inputs.every((input) => input.reportValidity())) return word("announced");
    const [yes, no, abstain] = inputs.map((input) => Number(input.value));
    return go("close", { announced: { yes, no, abstain } });
  });
}

const names = (codes) => codes.map(nameOf).join(", ");

function compared() {
  const { closing: { counts, outcome }, entitled, votes, required } = roll();
  const missing = entitled.filter((code) => !votes[code]);
  const without = desk.members.map(({ code }) => code).filter((code) => !entitled.includes(code));
  return [
    paragraph(word("tally", { ...counts, none: counts.not_voting }), "big"),
    paragraph(word("sum", { ...counts, none: counts.not_voting })),
    paragraph(word("majority", { rule: ruleOf(roll().rule), required, outcome: word(outcome) })),
    paragraph(word("unrecorded", { n: missing.length, names: names(missing) })),
    paragraph(word("without", { n: without.length, names: names(without) })),
    ...late(),
  ];
}

/** When it was locked, and what changed just before: the slips that nobody saw yet. */
function late() {
  const { lock } = roll();
  if (!lock) return [];
  const changes = lock.changes.map(({ delegation, previous, vote, at }) =>
    word("change", { name: nameOf(delegation), previous: said(previous), vote: said(vote), time: timeOf(at) }));
  const text = changes.length ? word("changes", { changes: changes.join("; ") }) : word("noChanges");
  return [paragraph(word("lockedAt", { time: timeOf(lock.at) })), paragraph(text)];
}
