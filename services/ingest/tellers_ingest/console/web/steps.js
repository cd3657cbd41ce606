// The rarer steps, each a dialog: another rule, an intention, a second person.

import { command } from "./api.js";
import { ruleOf } from "./desk.js";
import { ask, byId, make } from "./paint.js";
import { memberField } from "./picker.js";

export const RULES = ["simple", "two_thirds", "absolute", "two_thirds_of_members", "three_fifths", "three_quarters", "unanimous", "security_council"];

const field = (text, input) => make("label", {}, text, input);
const options = (pairs) => pairs.map(([value, textContent]) => make("option", { value, textContent }));

/** Ask for the majority that is required from now on. */
export function askRule(word, now, send) {
  const select = make("select", { id: "new-majority" }, ...options(RULES.map((rule) => [rule, ruleOf(rule)])));
  if (RULES.includes(now)) select.value = now;
  ask(word("ruleTitle"), [field(word("ruleLabel"), select)], word("ruleDo"), () => send("rule", { rule: select.value }));
}

/** Ask for what a delegation had meant to vote; noted after closing, never counted. */
export function askIntention(word, send) {
  const who = memberField(word("intentionWho"), "intention-who");
  const vote = make("select", { id: "intention-vote" }, ...options(["yes", "no", "abstain"].map((one) => [one, word(one)])));
  const note = make("input", { id: "intention-note", maxLength: 500 });
  const body = [make("p", { textContent: word("intentionText") }), ...who.parts, field(word("intentionVote"), vote), field(word("intentionNote"), note)];
  ask(word("intentionTitle"), body, word("intentionDo"), () => {
    const delegation = who.code();
    if (!delegation) return word("chooseIn", { field: word("intentionWho") });
    const said = { delegation, vote: vote.value };
    return send("intentions", note.value ? { ...said, note: note.value } : said);
  });
  who.input.focus();
}

/** The first person's word for a step that needs two; the second sees it at their desk. */
export function askApproval(word, path, step, asked, done) {
  const reason = make("input", { id: "approval-reason", required: true, maxLength: 500, value: "" });
  ask(word("approvalTitle", { what: word(step, { rule: ruleOf(asked?.rule) }) }), [make("p", { textContent: word("approvalText") }), field(word("approvalReason"), reason)], word("approvalDo"), async () => {
    if (!reason.value.trim()) return word("approvalReason");
    const answer = await command(`${path}/approvals`, { ...asked, command: step, reason: reason.value });
    if (answer?.status !== 200) return answer?.detail ?? word("networkDown");
    done();
    return null;
  });
  byId("approval-reason").focus();
}
