// The clerk's desk: keys in, entries queued, everything painted from roll call and queue.

import { command, dropToken, keepToken, request, token } from "./api.js";
import { actionOf, LETTERS } from "./keys.js";
import * as calls from "./order.js";
import { ask, byId, lamp, make, makeGrid, paintTile, ring, say } from "./paint.js";
import { Publication, standing } from "./publication.js";
import * as lines from "./queue.js";
import { codesByName, dryRun, read, totals } from "./record.js";
import { find, indexed, preselected } from "./search.js";
import { Sender } from "./sender.js";
import { askApproval, askIntention, askRule, RULES } from "./steps.js";

const REVEALS = ["live", "totals_only", "names_after_close", "nothing_until_close"];
const POLL_MS = 2000;
const CHOICE = "tellers.keys";
// A step's dialog has become another one, which stays open.
const STAYS = Symbol("stays");
const desk = { sender: null, members: [], byCode: new Map(), current: null, call: null, past: [], found: [], at: -1, publication: null };
const words = (await (await fetch("/console/web/words.json")).json()).en;
const word = (name, filled = {}) => words[name].replace(/\{(\w+)\}/gu, (_, key) => filled[key] ?? "");
const roll = () => desk.sender.roll;
const nameOf = (code) => desk.byCode.get(code)?.name ?? code;
const said = (vote) => word(vote ?? "none");
const state = (name) => (document.documentElement.dataset.state = name);

function show(id) {
  for (const part of ["token-form", "schedule-form", "desk"]) byId(part).hidden = part !== id;
}

function tokenRefused() {
  const kept = desk.sender?.queue.waiting.length;
  desk.sender = null;
  dropToken();
  show("token-form");
  state("token");
  say(byId("trouble"), word(kept ? "tokenAgain" : "badToken"));
}

const base = () => `/v1/${byId("chamber").value}/roll-calls`;

async function enter(event) {
  event?.preventDefault();
  if (byId("token").value) keepToken(byId("token").value.trim());
  byId("token").value = "";
  const path = `${base()}/${byId("roll-call").value}`;
  const found = await request("GET", path);
  if (found === null) return say(byId("trouble"), word("networkDown"));
  if (found.status === 401) return tokenRefused();
  say(byId("trouble"), null);
  byId("token").required = false;
  if (found.code === "unknown_roll_call") return show("schedule-form"), byId("new-title").focus();
  if (found.status !== 200) return say(byId("trouble"), found.detail);
  await sitDown(path, found);
}

async function schedule(event) {
  event.preventDefault();
  const body = {
    id: byId("roll-call").value, title: byId("new-title").value, rule: byId("new-rule").value,
    rehearsal: byId("new-rehearsal").checked, reveal: byId("new-reveal").value,
  };
  if (byId("new-symbol").value) body.symbol = byId("new-symbol").value;
  if (byId("new-start").value) body.called_from = byId("new-start").value.toUpperCase();
  const answer = await command(base(), body);
  if (answer?.status !== 201) return say(byId("trouble"), answer?.errors?.[0]?.detail ?? answer?.detail ?? word("networkDown"));
  await enter();
}

async function sitDown(path, found) {
  const list = await fetch(`/console/members/${byId("chamber").value}.json`);
  desk.members = await list.json();
  desk.byCode = new Map(desk.members.map((member) => [member.code, member]));
  desk.index = indexed(desk.members);
  desk.tiles = makeGrid(byId("grid"), desk.members, choose);
  Object.assign(desk, { past: [], call: null, current: null });
  desk.sender = new Sender(path, found, paint, tokenRefused);
  desk.publication = new Publication(byId("chamber").value, found.rehearsal, paintPublic);
  desk.publication.look();
  show("desk");
  state("desk");
  paint();
  desk.sender.run();
  byId("search").focus();
}

function choose(code) {
  if (roll().barred[code] || !roll().entitled.includes(code)) return say(byId("trouble"), `${nameOf(code)}: ${word("notEntitled")}`);
  desk.current = code;
  if (desk.call) desk.call = calls.callAt(desk.call, code);
  byId("search").value = "";
  suggest();
  paint();
  byId("now").focus();
}

function record(vote) {
  const code = desk.current;
  if (!code) return;
  if (roll().phase !== "open") return say(byId("trouble"), word("notOpen"));
  const before = lines.seen(desk.sender.queue, roll().votes, code);
  desk.past = [{ code, vote, before, since: Date.now() }, ...desk.past];
  moveOn(false);
  echo(code, vote);
  desk.sender.enter(code, vote);
}

function moveOn(skip) {
  if (desk.call) {
    desk.call = calls.moveOn(desk.call, skip);
    desk.current = calls.called(desk.call);
  } else {
    desk.current = null;
    byId("search").focus();
  }
}

function undo() {
  const [latest, ...past] = desk.past;
  if (!latest || roll().phase !== "open") return;
  desk.past = past;
  if (latest.batch) return undoBatch(latest.batch);
  if (desk.call) {
    desk.call = calls.callAt(desk.call, latest.code);
    desk.current = calls.called(desk.call);
  }
  echo(latest.code, latest.before);
  desk.sender.enter(latest.code, latest.before);
}

/** What was imported at once is taken back at once. */
function undoBatch(batch) {
  for (const { code, before } of batch) desk.sender.enter(code, before);
  byId("echo").textContent = word("undone", { n: batch.length });
}

async function toggleFreeze() {
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

function echo(code, vote) {
  byId("echo").dataset.vote = vote ?? "none";
  byId("echo").replaceChildren(lampText(vote), ` ${nameOf(code)}: ${said(vote)}`);
  say(byId("trouble"), null);
}

const lampText = (vote) => lamp(vote ?? "none").textContent;

function toggleCall() {
  const { entitled, called_from: start, votes } = roll();
  desk.call = desk.call ? null : calls.resumeCall(calls.callOrder(entitled, start), votes);
  desk.current = desk.call && calls.called(desk.call);
  paint();
  (desk.call ? byId("now") : byId("search")).focus();
}

function walk(action) {
  const codes = desk.members.map((member) => member.code);
  const rows = Number(byId("grid").style.getPropertyValue("--rows"));
  const step = { left: -rows, right: rows, up: -1, down: 1 }[action];
  const to = Math.max(codes.indexOf(desk.current), 0) + (desk.current ? step : 0);
  if (codes[to]) choose(codes[to]);
}

function act(action) {
  if (["yes", "no", "abstain"].includes(action)) record(action);
  else if (action === "clear") record(null);
  else if (action === "skip" && desk.current) moveOn(true), paint();
  else if (action === "undo") undo();
  else if (action === "help") help();
  else if (action === "search") byId("search").focus();
  else if (action === "freeze") toggleFreeze();
  else if (action === "call" && roll().phase === "open") toggleCall();
  else if (action in { left: 1, right: 1, up: 1, down: 1 }) walk(action);
}

function suggest() {
  const text = byId("search").value;
  desk.found = find(desk.index, text);
  desk.at = preselected(desk.found);
  paintFound();
  const alike = desk.found.length && desk.at < 0;
  say(byId("trouble"), alike ? word("chooseFirst") : text && !desk.found.length ? word("nothing") : null);
}

function paintFound() {
  const options = desk.found.map((member, at) => {
    const option = make("li", { id: `option-${at}`, role: "option", textContent: `${member.name} (${member.code})` });
    option.setAttribute("aria-selected", String(at === desk.at));
    option.addEventListener("click", () => choose(member.code));
    return option;
  });
  byId("found").replaceChildren(...options);
  byId("found").hidden = !options.length;
  byId("search").setAttribute("aria-expanded", String(options.length > 0));
  if (desk.at >= 0) byId("search").setAttribute("aria-activedescendant", `option-${desk.at}`);
  else byId("search").removeAttribute("aria-activedescendant");
}

function typed(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && desk.found.length) {
    event.preventDefault();
    desk.at = Math.min(Math.max(desk.at + step, 0), desk.found.length - 1);
    paintFound();
  } else if (event.key === "Enter" && desk.at >= 0) {
    event.preventDefault();
    choose(desk.found[desk.at].code);
  } else if (event.key === "Escape") byId("now").focus();
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

const figures = ({ yes, no, abstain }) => `${yes}-${no}-${abstain}`;
const paragraph = (text, className = "") => make("p", { textContent: text, className });

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

function help() {
  const lines = word("helpText").split(" · ").map((textContent) => make("li", { textContent }));
  ask(word("helpTitle"), [make("ul", {}, ...lines)], word("close"));
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
  paint();
  return null;
}

function paintSteps() {
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
  made.push(button("do-help", word("help"), () => act("help")));
  const now = `${phase} ${Boolean(desk.call)} ${desk.publication.frozen}`;
  if (byId("steps").dataset.for === now) return; // a focused button stays
  byId("steps").dataset.for = now;
  byId("steps").replaceChildren(...made);
}

function paintNow() {
  const { call, current } = desk;
  say(byId("now-round"), call ? word(call.round === 1 ? "round1" : "round2") : null);
  byId("now-name").textContent = current ? nameOf(current) : call ? word("callOver") : "–";
  say(byId("now-vote"), current ? said(lines.seen(desk.sender.queue, roll().votes, current)) : null);
  const coming = call ? call.order.slice(call.at + 1, call.at + 4).map(nameOf).join(", ") : "";
  say(byId("next"), coming ? word("next", { names: coming }) : null);
}

function paintQueue() {
  const { queue, offline } = desk.sender;
  const n = queue.waiting.length;
  byId("queue").toggleAttribute("data-waiting", n > 0);
  const text = n ? word(offline ? "offline" : "queued", { n }) : word("allStored");
  if (byId("queue").textContent !== text) byId("queue").textContent = text;
  const notices = queue.troubles.map((trouble, at) => {
    const filled = { name: nameOf(trouble.delegation), mine: said(trouble.vote), why: trouble.why, theirs: trouble.theirs && word(trouble.theirs) };
    const seen = make("button", { type: "button", textContent: word("seen"), onclick: () => desk.sender.keep(lines.dismissed(desk.sender.queue, at)) });
    return make("div", { className: "trouble", role: "alert" }, paragraph(word(trouble.code, filled)), seen);
  });
  if (byId("troubles").childElementCount !== notices.length) byId("troubles").replaceChildren(...notices);
}

function paintPublic() {
  if (!desk.sender) return;
  const { level, words: name, filled } = standing(desk.publication.seen);
  byId("public").dataset.level = level;
  say(byId("public"), word(name, filled));
  paintSteps();
}

function paintClock() {
  const time = new Date().toLocaleTimeString("en-GB");
  const since = desk.past[0]?.since;
  const ago = since && Math.round((Date.now() - since) / 1000);
  byId("clock").textContent = word(since ? "lastEntry" : "noEntry", { time, ago: String(ago) });
}

/** What a first person asks for waits here for the second. */
function paintApproval() {
  const { approval } = roll();
  byId("approval").hidden = !approval;
  if (!approval) return;
  const what = word(approval.command);
  byId("approval-text").textContent = word("approvalWaiting", { ...approval, what });
  byId("approval-go").textContent = word("approvalGo", { what });
  byId("approval-go").onclick = async () => say(byId("trouble"), await go(approval.command, { approval: approval.approval }));
}

function paintLast() {
  const { delay } = desk.publication;
  const last = desk.past.slice(0, 5).map(({ code, vote, batch, since }) => {
    const text = batch ? word("importDone", { n: batch.length }) : ` ${nameOf(code)}: ${said(vote)}`;
    const waits = delay && Date.now() - since < delay * 1000 ? [ring(delay, since)] : [];
    return make("li", {}, ...(batch ? [] : [lamp(vote ?? "none")]), text, ...waits);
  });
  byId("last").replaceChildren(...last);
}

function paint() {
  if (!desk.sender) return;
  const { queue } = desk.sender;
  const { title, phase, rehearsal, entitled, votes } = roll();
  document.documentElement.toggleAttribute("data-rehearsal", rehearsal);
  document.title = `${rehearsal ? `${word("rehearsal")} · ` : ""}${title} · ${word("console")}`;
  byId("title").textContent = title;
  say(byId("mode"), rehearsal ? word("rehearsal") : null);
  say(byId("phase"), word(phase));
  const shown = Object.fromEntries(entitled.map((code) => [code, lines.seen(queue, votes, code)]));
  const waiting = new Set(queue.waiting.map((entry) => entry.delegation));
  for (const [code, tile] of desk.tiles) {
    const vote = code in shown ? (shown[code] ?? "none") : "barred";
    paintTile(tile, vote, word(vote), { waiting: waiting.has(code), current: code === desk.current });
  }
  const counts = totals(shown);
  const none = entitled.length - counts.yes - counts.no - counts.abstain;
  byId("totals").textContent = word("tally", { ...counts, none });
  paintLast();
  paintApproval();
  paintSteps();
  paintNow();
  paintQueue();
}

function pressed(event) {
  if (!desk.sender || byId("ask").open) return;
  const writing = Boolean(event.target.closest("input, textarea, select, button, summary"));
  const action = actionOf(event, writing, desk.choice);
  if (!action) return;
  event.preventDefault();
  act(action);
}

/** The clerk's letters, kept in this browser. */
function offerChoice() {
  desk.choice = { letters: "yna", single: true, ...JSON.parse(localStorage.getItem(CHOICE)) };
  byId("letters").value = desk.choice.letters;
  byId("single").checked = desk.choice.single;
  const keep = () => {
    desk.choice = { letters: byId("letters").value, single: byId("single").checked };
    localStorage.setItem(CHOICE, JSON.stringify(desk.choice));
    nameAnswers();
  };
  byId("letters").onchange = byId("single").onchange = keep;
  nameAnswers();
}

function nameAnswers() {
  const letters = LETTERS[desk.choice.letters] || "123";
  ["yes", "no", "abstain"].forEach((vote, at) => {
    const alt = desk.choice.single ? "" : "Alt ";
    byId(`answer-${vote}`).textContent = `${lamp(vote).textContent} ${word(vote)} (${alt}${letters[at].toUpperCase()})`;
  });
}

function begin() {
  byId("new-reveal").append(...REVEALS.map((reveal) => make("option", { value: reveal, textContent: word(reveal) })));
  byId("new-rule").append(...RULES.map((rule) => make("option", { value: rule, textContent: rule.replaceAll("_", " ") })));
  for (const vote of ["yes", "no", "abstain"]) {
    byId("answers").append(make("button", { type: "button", id: `answer-${vote}`, onclick: () => (record(vote), byId("now").focus()) }));
  }
  offerChoice();
  byId("answers").append(make("button", { type: "button", textContent: word("skip"), onclick: () => (act("skip"), byId("now").focus()) }));
  byId("token-form").onsubmit = enter;
  byId("schedule-form").onsubmit = schedule;
  byId("back").onclick = () => show("token-form");
  byId("search").oninput = suggest;
  byId("search").onkeydown = typed;
  document.addEventListener("keydown", pressed);
  addEventListener("online", () => desk.sender?.run());
  setInterval(() => desk.sender && !desk.sender.busy && desk.sender.reload(), POLL_MS);
  setInterval(() => desk.sender && desk.publication.look(), POLL_MS);
  setInterval(() => desk.sender && paintClock(), 1000);
  byId("token").required = !token();
  byId("token").focus();
}

begin();
