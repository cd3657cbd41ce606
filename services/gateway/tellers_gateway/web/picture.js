// What a board shows of one roll call: the tally and a lamp for each member. Pure.
//
// Lamps and counts come by two feeds. Events wait until the tally has counted them, so
// the lamps on the board always add up to the numbers beside them.

import { ENDED } from "./verdict.js";

const SETTLED = new Set(["clinched", "unreachable"]);

export class Picture {
  /** From `GET /v1/{chamber}/roll-calls/{id}`: tally, members, votes. */
  constructor(detail) {
    const { votes, members, barred, not_voting, ...tally } = detail;
    this.tally = tally;
    this.retracted = tally.verdict.retracted ?? null;
    this.members = members;
    this.barred = barred;
    this.version = tally.version;
    this.lamps = new Map(
      members.map(({ delegation, entitled }) => [
        delegation,
        { vote: entitled ? "none" : "barred", changed: false, answered: false },
      ]),
    );
    for (const { delegation, vote, changed } of votes) {
      this.lamps.set(delegation, { vote, changed, answered: true });
    }
    this.waiting = [];
  }

  /** An event of this roll call, in order; shown when the tally has counted it. */
  takeEvent(event) {
    if (event.rollcallversion > this.version) this.waiting.push(event);
  }

  /** A newer tally. */
  takeTally(tally) {
    this.retracted = retraction(this.tally, tally, this.retracted);
    this.tally = tally;
  }

  /** Turn what the tally has counted into lamps; returns the codes that changed. */
  settle() {
    const changed = new Set();
    while (this.waiting.length > 0) {
      const [event] = this.waiting;
      if (event.rollcallversion > this.tally.version) break;
      this.waiting.shift();
      this.version = event.rollcallversion;
      const code = this.#apply(event);
      if (code !== null) changed.add(code);
    }
    return changed;
  }

  #apply({ type, data }) {
    if (!type.startsWith("org.tellers.vote.")) return null;
    const lamp = this.lamps.get(data.delegation);
    if (lamp === undefined) return null;
    this.lamps.set(data.delegation, {
      vote: data.vote ?? "none",
      changed: lamp.answered && data.vote !== null,
      answered: true,
    });
    return data.delegation;
  }

  /** Whether the lamps add up to the counts, as far as both have come equally far. */
  get agrees() {
    // Who voted what comes when it has ended; then the lamps are fetched anew.
    if (this.tally.withheld) return true;
    if (this.version !== this.tally.version) return true;
    const { counts } = this.tally;
    const sums = { yes: 0, no: 0, abstain: 0, none: 0, barred: 0 };
    for (const { vote } of this.lamps.values()) sums[vote] += 1;
    return (
      sums.yes === counts.yes &&
      sums.no === counts.no &&
      sums.abstain === counts.abstain &&
      sums.none === counts.not_voting
    );
  }
}

/**
 * The retraction to show. The tally tells one only in the update that caused it; it
 * stays on the board until the matter is settled again. One that was missed is noticed.
 */
export function retraction(before, after, shown) {
  if (after.verdict.retracted) return after.verdict.retracted;
  const { status } = after.verdict;
  if (SETTLED.has(status) || ENDED.has(after.phase)) return null;
  const was = before.verdict.status;
  const undone = SETTLED.has(was) && before.epoch === after.epoch;
  return undone ? { was, seq: after.seq, cause: "" } : shown;
}

/**
 * What of a change must be said aloud: "opened", "quarter" (25, 50, 75 % recorded),
 * "settled", "retracted", "locked", "closed", "annulled". Few, so that one can listen.
 */
export function milestones(before, after) {
  const found = [];
  if (before.phase !== after.phase) {
    const names = { open: "opened", locked: "locked" };
    found.push(names[after.phase] ?? after.phase);
  }
  if (ENDED.has(after.phase)) return found.filter((name) => name !== "scheduled");
  const settled = SETTLED.has(after.verdict.status);
  if (settled && after.verdict.status !== before.verdict.status) found.push("settled");
  if (!settled && SETTLED.has(before.verdict.status)) found.push("retracted");
  if (quarter(after.counts) > quarter(before.counts)) found.push("quarter");
  return found;
}

function quarter({ entitled, not_voting: silent }) {
  return entitled === 0 ? 0 : Math.min(3, Math.floor((4 * (entitled - silent)) / entitled));
}
