// What an overlay has on air. No socket, no clock, no page: pure.
//
//   EMPTY --first good tally--> LIVE <--> STALE        (STALE: the last frame stays)
//                                 |  operator: HELD     (frozen until released)
//                                 |  closed:   FINAL    (until it is taken off)
//
// On air there is never a 0 that nobody voted, never an error, never a spinner: what is
// shown is a good tally or nothing. That it is old is told to the operator only (`state`,
// `reason`), never painted.

import { isNews, isSound } from "../resumer.js";

const RUNNING = new Set(["open", "locked"]);
const ENDED = new Set(["closed", "annulled"]);

export class OnAir {
  #latest = null; // the newest good tally of the roll call that is followed
  #held = null; // what the operator froze
  #overrides = {};
  #link = "connecting";
  #reason = "";
  #cleared = false;

  /**
   * `rollCall`: the roll call to show, or null: whatever the chamber is voting on now.
   * `rehearsal`: whether rehearsals may be shown; they are refused otherwise.
   */
  constructor({ rollCall = null, rehearsal = false } = {}) {
    this.rollCall = rollCall;
    this.rehearsal = rehearsal;
  }

  /** The feed has a tally. Whether it changes what is shown is for `frame`. */
  take(tally) {
    if (!isSound(tally.counts) || tally.rehearsal !== this.rehearsal) return;
    if (this.rollCall !== null && tally.roll_call !== this.rollCall) return;
    const other = this.#latest !== null && tally.roll_call !== this.#latest.roll_call;
    if (this.rollCall === null && !this.#follows(tally, other)) return;
    if (!other && !this.#isNewer(tally)) return;
    if (other) this.#cleared = false;
    this.#latest = tally;
  }

  /** `current` follows a vote that runs; the last result stays until then. */
  #follows(tally, other) {
    if (this.#latest === null || other) {
      const runs = RUNNING.has(tally.phase) && !tally.imported;
      return runs && tally.seq > (this.#latest?.seq ?? -1);
    }
    return true;
  }

  #isNewer(tally) {
    const shown = this.#latest ?? undefined;
    // Another epoch is a log that was restored: its state counts, whatever its seq.
    return shown?.epoch !== tally.epoch || isNews(shown, tally);
  }

  /** How the feed is: connecting, live, held or stale, and why. */
  linked(name, reason = "") {
    this.#link = name;
    this.#reason = reason;
  }

  /** Freeze what is shown; the operator's. */
  hold() {
    this.#held ??= this.#shown();
  }

  /** Back to the newest, in one step. */
  release() {
    this.#held = null;
  }

  /** Off the screen, until another vote or `show`. */
  clear() {
    this.#cleared = true;
    this.#held = null;
  }

  /** On the screen again. */
  show() {
    this.#cleared = false;
  }

  /** Figures typed by the operator: {yes, no, abstain, title}; they beat the feed. */
  override(values) {
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === "") delete this.#overrides[name];
      else this.#overrides[name] = value;
    }
  }

  /** The tally to paint, or null for nothing at all. */
  get frame() {
    if (this.#cleared) return null;
    return this.#held ?? this.#shown();
  }

  #shown() {
    const { yes, no, abstain, title } = this.#overrides;
    const figures = [yes, no, abstain].map(Number);
    const typed =
      [yes, no, abstain].every((value) => value !== undefined) &&
      figures.every((figure) => Number.isSafeInteger(figure) && figure >= 0);
    if (!typed && title === undefined) return this.#latest;
    if (!typed) return this.#latest && { ...this.#latest, title };
    const [a, b, c] = figures;
    const counts = { yes: a, no: b, abstain: c, not_voting: null };
    return {
      ...(this.#latest ?? { symbol: null, phase: "open", rehearsal: this.rehearsal }),
      ...(title === undefined ? {} : { title }),
      counts,
      verdict: null, // nobody has computed it from these
      manual: true,
    };
  }

  /** EMPTY, LIVE, STALE, HELD or FINAL, for the operator. */
  get state() {
    if (this.#held !== null) return "HELD";
    const shown = this.#shown();
    if (shown === null || this.#cleared) return "EMPTY";
    if (ENDED.has(shown.phase)) return "FINAL";
    return this.#link === "live" ? "LIVE" : "STALE";
  }

  /** Why it is not live. */
  get reason() {
    return this.state === "STALE" ? this.#reason || this.#link : "";
  }

  /** The roll call whose tally is followed now. */
  get following() {
    return this.#latest?.roll_call ?? this.rollCall;
  }

  /** The newest good tally, to keep over a reload. */
  get latest() {
    return this.#latest;
  }
}
