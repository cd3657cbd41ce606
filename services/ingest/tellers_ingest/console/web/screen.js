// The desk on the screen, painted whole from roll call and queue.

import { voted } from "./call.js";
import { desk, nameOf, paragraph, roll, ruleOf, said, timeOf, word } from "./desk.js";
import { paintApproval, paintSteps } from "./lifecycle.js";
import { coming } from "./order.js";
import { byId, lamp, make, paintTile, ring, say } from "./paint.js";
import { standing } from "./publication.js";
import * as lines from "./queue.js";
import { totals } from "./record.js";

export function paint() {
  if (!desk.sender) return;
  const { queue } = desk.sender;
  const { title, symbol, phase, lock, rehearsal, entitled, votes, outcome, rule, required } = roll();
  document.documentElement.toggleAttribute("data-rehearsal", rehearsal);
  document.title = `${rehearsal ? `${word("rehearsal")} · ` : ""}${title} · ${word("console")}`;
  byId("title").textContent = title;
  say(byId("mode"), rehearsal ? word("rehearsal") : null);
  say(byId("symbol"), symbol);
  say(byId("phase"), lock ? word("lockedAt", { time: timeOf(lock.at) }) : word(phase));
  const shown = Object.fromEntries(entitled.map((code) => [code, lines.seen(queue, votes, code)]));
  const waiting = new Set(queue.waiting.map((entry) => entry.delegation));
  for (const [code, tile] of desk.tiles) {
    const vote = code in shown ? (shown[code] ?? "none") : "barred";
    paintTile(tile, vote, word(vote), { waiting: waiting.has(code), current: code === desk.current });
  }
  const counts = totals(shown);
  const none = entitled.length - counts.yes - counts.no - counts.abstain;
  byId("totals").textContent = word("tally", { ...counts, none });
  say(byId("result"), outcome && word("result", { rule: ruleOf(rule), required, outcome: word(outcome) }));
  paintLast();
  paintApproval();
  paintSteps();
  paintNow();
  paintQueue();
}

function paintNow() {
  const { call, current } = desk;
  say(byId("now-round"), call ? word(call.round === 1 ? "round1" : "round2") : null);
  byId("now-name").textContent = current ? nameOf(current) : call ? word("callOver") : "–";
  say(byId("now-vote"), current ? said(lines.seen(desk.sender.queue, roll().votes, current)) : null);
  const names = call ? coming(call, voted, 3).map(nameOf).join(", ") : "";
  say(byId("next"), names ? word("next", { names }) : null);
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

export function paintPublic() {
  if (!desk.sender) return;
  const { level, words: name, filled } = standing(desk.publication.seen);
  byId("public").dataset.level = level;
  say(byId("public"), word(name, filled));
  paintSteps();
}

export function paintClock() {
  const time = timeOf(Date.now());
  const since = desk.past[0]?.since;
  const ago = since && Math.round((Date.now() - since) / 1000);
  byId("clock").textContent = word(since ? "lastEntry" : "noEntry", { time, ago: String(ago) });
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
