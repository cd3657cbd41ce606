// The clerk's desk: keys in, entries queued, everything painted from roll call and queue.

import { dropToken, keepToken, request, token } from "./api.js";
import { callMember, callNext, restoreCall } from "./call.js";
import { desk, nameOf, roll, said, state, word } from "./desk.js";
import { actionOf, LETTERS } from "./keys.js";
import { askLock, help, toggleCall, toggleFreeze } from "./lifecycle.js";
import { byId, lamp, make, makeGrid, say } from "./paint.js";
import { pick } from "./picker.js";
import { Publication } from "./publication.js";
import * as lines from "./queue.js";
import { paint, paintClock, paintPublic } from "./screen.js";
import { beginSchedule, offerSchedule, schedule } from "./schedule.js";
import { indexed } from "./search.js";
import { Sender } from "./sender.js";

const POLL_MS = 2000;
const CHOICE = "tellers.keys";
const chambers = await (await fetch("/console/chambers.json")).json();
let lookAgain = () => {};

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
  const isNew = found.code === "unknown_roll_call";
  if (found.status !== 200 && !isNew) return say(byId("trouble"), found.detail);
  await meetMembers();
  if (isNew) return show("schedule-form"), beginSchedule();
  sitDown(path, found);
}

async function scheduleNew(event) {
  event.preventDefault();
  const trouble = await schedule(base(), byId("roll-call").value);
  if (trouble !== null) return say(byId("trouble"), trouble);
  await enter();
}

/** The chamber's members, for every field that finds one. */
async function meetMembers() {
  const list = await fetch(`/console/members/${byId("chamber").value}.json`);
  desk.members = await list.json();
  desk.byCode = new Map(desk.members.map((member) => [member.code, member]));
  desk.index = indexed(desk.members);
}

function sitDown(path, found) {
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
  lookAgain();
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
  byId("chamber").append(...chambers.map(({ id, title }) => make("option", { value: id, textContent: title })));
  offerSchedule();
  for (const vote of ["yes", "no", "abstain"]) {
    byId("answers").append(make("button", { type: "button", id: `answer-${vote}`, onclick: () => (record(vote), byId("now").focus()) }));
  }
  offerChoice();
  byId("answers").append(make("button", { type: "button", textContent: word("skip"), onclick: () => (act("skip"), byId("now").focus()) }));
  byId("token-form").onsubmit = enter;
  byId("schedule-form").onsubmit = scheduleNew;
  byId("back").onclick = () => show("token-form");
  lookAgain = pick(byId("search"), byId("found"), ({ code }) => choose(code), (trouble) => say(byId("trouble"), trouble));
  byId("search").addEventListener("keydown", ({ key }) => key === "Escape" && byId("now").focus());
  document.addEventListener("keydown", pressed);
  addEventListener("online", () => desk.sender?.run());
  setInterval(() => desk.sender && !desk.sender.busy && desk.sender.reload(), POLL_MS);
  setInterval(() => desk.sender && desk.publication.look(), POLL_MS);
  setInterval(() => desk.sender && paintClock(), 1000);
  byId("token").required = !token();
  byId("token").focus();
}

begin();
