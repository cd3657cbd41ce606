// The clerk's desk: keys in, entries queued, everything painted from roll call and queue.

import { command, dropToken, keepToken, request, token } from "./api.js";
import { callMember, callNext, restoreCall } from "./call.js";
import { desk, nameOf, roll, said, state, word } from "./desk.js";
import { actionOf, LETTERS } from "./keys.js";
import { askLock, help, toggleCall, toggleFreeze } from "./lifecycle.js";
import { byId, lamp, make, makeGrid, say } from "./paint.js";
import { Publication } from "./publication.js";
import * as lines from "./queue.js";
import { paint, paintClock, paintPublic } from "./screen.js";
import { find, indexed, preselected } from "./search.js";
import { Sender } from "./sender.js";
import { RULES } from "./steps.js";

const REVEALS = ["live", "totals_only", "names_after_close", "nothing_until_close"];
const POLL_MS = 2000;
const CHOICE = "tellers.keys";

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
  say(byId("public"), "…"); // keeps its place: nothing may move under a click
  desk.publication.look();
  restoreCall();
  show("desk");
  state("desk");
  paint();
  desk.sender.run();
  (desk.call ? byId("now") : byId("search")).focus();
}

function choose(code) {
  if (roll().barred[code] || !roll().entitled.includes(code)) return say(byId("trouble"), `${nameOf(code)}: ${word("notEntitled")}`);
  desk.current = code;
  if (desk.call) callMember(code);
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
  echo(code, vote);
  desk.sender.enter(code, vote);
  moveOn(false);
}

function moveOn(skip) {
  if (desk.call) callNext(skip);
  else {
    desk.current = null;
    byId("search").focus();
  }
  paint();
}

function undo() {
  const [latest, ...past] = desk.past;
  if (!latest || roll().phase !== "open") return;
  desk.past = past;
  if (latest.batch) return undoBatch(latest.batch);
  if (desk.call) callMember(latest.code);
  echo(latest.code, latest.before);
  desk.sender.enter(latest.code, latest.before);
}

/** What was imported at once is taken back at once. */
function undoBatch(batch) {
  for (const { code, before } of batch) desk.sender.enter(code, before);
  byId("echo").textContent = word("undone", { n: batch.length });
}

function echo(code, vote) {
  byId("echo").dataset.vote = vote ?? "none";
  byId("echo").replaceChildren(lampText(vote), ` ${nameOf(code)}: ${said(vote)}`);
  say(byId("trouble"), null);
}

const lampText = (vote) => lamp(vote ?? "none").textContent;

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
  else if (action === "skip" && desk.current) moveOn(true);
  else if (action === "undo") undo();
  else if (action === "help") help();
  else if (action === "search") byId("search").focus();
  else if (action === "freeze") toggleFreeze();
  else if (action === "lock" && roll().phase === "open") askLock();
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
