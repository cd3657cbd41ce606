// What a roll call goes through, from opening to closing, and the import of its votes.

import { command } from "./api.js";
import { leftCall, newCall, startCall, stopCall } from "./call.js";
import { desk, figures, nameOf, paragraph, roll, said, word } from "./desk.js";
import { ask, byId, make, say } from "./paint.js";
import { standing } from "./publication.js";
import { codesByName, dryRun, read, totals } from "./record.js";
import { askApproval, askIntention, askRule } from "./steps.js";

// A step's dialog has become another one, which stays open.
const STAYS = Symbol("stays");

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
  else startCall(leftCall() ?? newCall(roll().called_from));
  desk.sender.changed();
  (desk.call ? byId("now") : byId("search")).focus();
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
    askApproval(word, desk.sender.path, step, () => desk.sender.reload());
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

async function close() {
  if (!(await desk.sender.reload()) || !roll().closing) return say(byId("trouble"), word("networkDown"));
  const { counts, outcome } = roll().closing;
  const missing = roll().entitled.filter((code) => !roll().votes[code]);
  const rule = typeof roll().rule === "string" ? roll().rule.replaceAll("_", " ") : JSON.stringify(roll().rule);
  const inputs = ["yes", "no", "abstain"].map((name) =>
    make("input", { type: "number", min: 0, required: true, id: `announced-${name}` }));
  const fields = inputs.map((input, at) => make("label", {}, [word("yes"), word("no"), word("abstain")][at], input));
  const body = [
    paragraph(word("tally", { ...counts, none: counts.not_voting }), "big"),
    paragraph(word("majority", { rule, outcome: word(outcome) })),
    paragraph(word("unrecorded", { n: missing.length, names: missing.map(nameOf).join(", ") })),
    paragraph(word("announced")), make("div", { className: "row" }, ...fields),
  ];
  ask(word("closeTitle"), body, word("closeTitle"), () => {
    if (!inputs.every((input) => input.reportValidity())) return word("announced");
    const [yes, no, abstain] = inputs.map((input) => Number(input.value));
    return go("close", { announced: { yes, no, abstain } });
  });
}

function importVotes() {
  const text = make("textarea", { id: "import-text", rows: 8 });
  const file = make("input", { type: "file", id: "import-file", accept: ".csv,.txt,text/csv,text/plain" });
  const report = make("div", { id: "import-report", role: "status" });
  let run = null;
  const again = () => ((run = null), report.replaceChildren(), say(byId("ask-yes"), word("dryRun")));
  text.oninput = again;
  file.onchange = async () => ((text.value = await file.files[0].text()), again());
  const body = [make("label", {}, word("importLabel"), text), make("label", {}, word("file"), file), report];
  ask(word("importTitle"), body, word("dryRun"), async () => {
    if (run) return sendImport(run.votes);
    if (desk.sender.queue.waiting.length || !(await desk.sender.reload())) return word("confirmWaiting");
    const tried = dryRun(read(text.value), codesByName(desk.members), roll().entitled, roll().votes);
    report.replaceChildren(...reported(tried));
    if (tried.faults.length || !tried.votes.length) return STAYS;
    run = tried;
    say(byId("ask-yes"), word("importDo", { n: run.votes.length }));
    return STAYS;
  });
}

function reported({ votes, faults, conflicts, after }) {
  const filled = { n: votes.length, before: figures(totals(roll().votes)), after: figures(after) };
  return [
    paragraph(word("importReady", filled)),
    ...faults.map(({ place, text, name }) =>
      paragraph(word("faultLine", { place, why: word(text), name }), "fault")),
    ...conflicts.map(({ delegation, vote, recorded }) =>
      paragraph(word("importConflict", { name: nameOf(delegation), recorded: said(recorded), mine: said(vote) }))),
  ];
}

async function sendImport(votes) {
  const before = roll().votes;
  const trouble = await go("votes", { votes });
  if (trouble !== null) return trouble;
  const batch = votes.map(({ delegation }) => ({ code: delegation, before: before[delegation] ?? null }));
  desk.past = [{ batch, since: Date.now() }, ...desk.past];
  byId("echo").textContent = word("importDone", { n: votes.length });
  desk.sender.changed();
  return null;
}

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
    made.push(button("do-lock", word("doLock"), () => confirmStep("lock", word("lockAsk"), word("doLock"))));
  }
  if (phase === "locked") made.push(button("do-unlock", word("doUnlock"), run("unlock")), button("do-close", word("doClose"), close));
  if (["scheduled", "open", "locked"].includes(phase)) {
    made.push(button("do-annul", word("doAnnul"), () => confirmStep("annul", word("annulAsk"), word("doAnnul"))));
  }
  if (["scheduled", "open", "locked"].includes(phase)) made.push(button("do-rule", word("doRule"), () => askRule(word, roll().rule, go)));
  if (phase === "closed") made.push(button("do-intention", word("doIntention"), () => askIntention(word, desk.index, roll().entitled, go)));
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
  const what = word(approval.command);
  byId("approval-text").textContent = word("approvalWaiting", { ...approval, what });
  byId("approval-go").textContent = word("approvalGo", { what });
  byId("approval-go").onclick = async () => say(byId("trouble"), await go(approval.command, { approval: approval.approval }));
}
