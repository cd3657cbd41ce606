// The rarer steps, each a dialog: another rule, an intention, a second person.

import { command } from "./api.js";
import { ask, byId, make } from "./paint.js";
import { find } from "./search.js";

export const RULES = ["simple", "two_thirds", "absolute", "two_thirds_of_members", "three_fifths", "three_quarters", "unanimous", "security_council"];

/** A rule as people read it. */
export const ruleName = (rule) => (typeof rule === "string" ? rule.replaceAll("_", " ") : JSON.stringify(rule));

const field = (text, input) => make("label", {}, text, input);
const options = (pairs) => pairs.map(([value, textContent]) => make("option", { value, textContent }));

/** Ask for the majority that is required from now on. */
export function askRule(word, now, send) {
  const select = make("select", { id: "new-majority" }, ...options(RULES.map((rule) => [rule, ruleName(rule)])));
  if (RULES.includes(now)) select.value = now;
  ask(word("ruleTitle"), [field(word("ruleLabel"), select)], word("ruleDo"), () => send("rule", { rule: select.value }));
}

/** Ask for what a delegation had meant to vote; noted after closing, never counted. */
export function askIntention(word, index, entitled, send) {
  const who = make("input", { id: "intention-who", autocomplete: "off", required: true });
  const vote = make("select", { id: "intention-vote" }, ...options(["yes", "no", "abstain"].map((one) => [one, word(one)])));
  const note = make("input", { id: "intention-note", maxLength: 500 });
  const body = [make("p", { textContent: word("intentionText") }), field(word("intentionWho"), who), field(word("intentionVote"), vote), field(word("intentionNote"), note)];
  ask(word("intentionTitle"), body, word("intentionDo"), () => {
    const found = find(index, who.value).filter(({ code }) => entitled.includes(code));
    const exact = found.filter(({ code }) => code === who.value.trim().toUpperCase());
    const [member] = exact.length ? exact : found;
    if (!member) return word("nothing");
    if (!exact.length && found.length > 1) return word("chooseCode", { names: found.map(({ name, code }) => `${name} (${code})`).join(", ") });
    const said = { delegation: member.code, vote: vote.value };
    return send("intentions", note.value ? { ...said, note: note.value } : said);
  });
  who.focus();
}

/** The first person's word for a step that needs two; the second sees it at their desk. */
export function askApproval(word, path, step, asked, done) {
  const reason = make("input", { id: "approval-reason", required: true, maxLength: 500, value: "" });
  ask(word("approvalTitle", { what: word(step, { rule: ruleName(asked?.rule) }) }), [make("p", { textContent: word("approvalText") }), field(word("approvalReason"), reason)], word("approvalDo"), async () => {
    if (!reason.value.trim()) return word("approvalReason");
    const answer = await command(`${path}/approvals`, { ...asked, command: step, reason: reason.value });
    if (answer?.status !== 200) return answer?.detail ?? word("networkDown");
    done();
    return null;
  });
  byId("approval-reason").focus();
}
