// What a roll call goes through, from opening to closing.

import { command } from "./api.js";
import { leftCall, newCall, startCall, stopCall } from "./call.js";
import { askClose } from "./closing.js";
import { desk, figures, paragraph, roll, ruleOf, word } from "./desk.js";
import { importVotes } from "./importing.js";
import { ask, byId, make, say, STAYS } from "./paint.js";
import { memberField } from "./picker.js";
import { standing } from "./publication.js";
import { askApproval, askIntention, askRule } from "./steps.js";

export async function toggleFreeze() {
  const { publication } = desk;
  if (!publication.frozen) {
    const answer = await publication.say("freeze");
    return say(byId("trouble"), answer?.status === 200 ? null : (answer?.detail ?? word("networkDown")));
  }
  const { filled } = standing(publication.seen);
  ask(word("releaseTitle"), [paragraph(word("releaseAsk", { behind: Number.isFinite(filled.behind) ? filled.behind : "?" }))], word("releaseTitle"), async () => {
    const answer = await publication.say("release");
    return answer?.status === 200 ? null : (answer?.detail ?? word("networkDown"));
  });
}

export function toggleCall() {
  if (desk.call) stopCall();
  else {
    const call = leftCall() ?? (roll().called_from && newCall(roll().called_from));
    if (!call) return draw();
    startCall(call);
  }
  settle();
}

function settle() {
  desk.sender.changed();
  (desk.call ? byId("now") : byId("search")).focus();
}

/** The lot was not known when the roll call was scheduled: it is kept with the call. */
function draw() {
  const { input, parts, code } = memberField(word("drawn"), "drawn");
  ask(word("drawTitle"), [paragraph(word("drawText")), ...parts], word("drawDo"), () => {
    const start = code();
    if (start === undefined) return word("chooseIn", { field: word("drawn") });
    startCall(newCall(start));
    byId("ask").addEventListener("close", settle, { once: true });
    return null;
  });
  input.focus();
}

export function help() {
  const lines = word("helpText").split(" · ").map((textContent) => make("li", { textContent }));
  ask(word("helpTitle"), [make("ul", {}, ...lines)], word("close"));
}

async function go(step, body) {
  const answer = await command(`${desk.sender.path}/${step}`, body);
  await desk.sender.reload();
  if (answer === null) return word("networkDown");
  if (answer.code === "second_person" && !body?.approval) {
    askApproval(word, desk.sender.path, step, body, () => desk.sender.reload());
    return STAYS;
  }
  if (answer.code === "announced_mismatch") {
    return word("mismatch", { announced: figures(answer.announced), recorded: figures(answer.recorded) });
  }
  return answer.status === 200 ? null : answer.detail;
}

function confirmStep(step, text, yes) {
  if (desk.sender.queue.waiting.length) return say(byId("trouble"), word("confirmWaiting"));
  ask(yes.replace("…", ""), [paragraph(text)], word("sure", { what: yes.replace("…", "") }), () => go(step));
}

export const askLock = () => confirmStep("lock", word("lockAsk"), word("doLock"));

export function paintSteps() {
  const { phase } = roll();
  const button = (id, text, press) => make("button", { id, type: "button", textContent: text, onclick: press });
  const run = (step) => async () => {
    const trouble = await go(step);
    if (trouble !== STAYS) say(byId("trouble"), trouble);
  };
  const made = [];
  if (phase === "scheduled") made.push(button("do-open", word("doOpen"), run("open")));
  if (phase === "open") {
    made.push(button("do-call", word(desk.call ? "stopCall" : "doCall"), toggleCall), button("do-import", word("import"), importVotes));
    made.push(button("do-lock", word("lockKey"), askLock));
  }
  if (phase === "locked") made.push(button("do-unlock", word("doUnlock"), run("unlock")), button("do-close", word("doClose"), () => askClose(go)));
  if (["scheduled", "open", "locked"].includes(phase)) {
    made.push(button("do-annul", word("doAnnul"), () => confirmStep("annul", word("annulAsk"), word("doAnnul"))));
  }
  if (["scheduled", "open", "locked"].includes(phase)) made.push(button("do-rule", word("doRule"), () => askRule(word, roll().rule, go)));
  if (phase === "closed") made.push(button("do-intention", word("doIntention"), () => askIntention(word, go)));
  if (["locked", "closed"].includes(phase)) made.push(button("do-print", word("doPrint"), () => print()));
  made.push(button("do-freeze", word(desk.publication.frozen ? "doRelease" : "doFreeze"), toggleFreeze));
  made.push(button("do-help", word("help"), help));
  const now = `${phase} ${Boolean(desk.call)} ${desk.publication.frozen}`;
  if (byId("steps").dataset.for === now) return; // a focused button stays
  byId("steps").dataset.for = now;
  byId("steps").replaceChildren(...made);
}

/** What a first person asks for waits here for the second. */
export function paintApproval() {
  const { approval } = roll();
  byId("approval").hidden = !approval;
  if (!approval) return;
  const what = word(approval.command, { rule: ruleOf(approval.rule) });
  const body = { approval: approval.approval, ...(approval.rule && { rule: approval.rule }) };
  byId("approval-text").textContent = word("approvalWaiting", { ...approval, what });
  byId("approval-go").textContent = word("approvalGo", { what });
  byId("approval-go").onclick = async () => say(byId("trouble"), await go(approval.command, body));
}
