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
import { ENDED } from "../verdict.js";
import { countsOf, refusals, typedOver } from "./typed.js";

const RUNNING = new Set(["open", "locked"]);

export class OnAir {
  #latest = null; // the newest good tally of the roll call that is followed
  #shorter = null; // what a restored log says now, with less than what is shown
  #held = null; // what the operator froze
  #typed = {}; // by the operator, for this roll call
  #refused = {};
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
    if (!this.#mayShow(tally)) return;
    const other = this.#latest !== null && tally.roll_call !== this.#latest.roll_call;
    if (this.rollCall === null && !this.#follows(tally, other)) return;
    if (!other && !this.#isNewer(tally)) return;
    if (other) this.#begin();
    this.#latest = tally;
    this.#shorter = null;
    this.#check(tally.counts.members);
  }

  /** Another roll call: nothing that was said or typed of the last one is of this one. */
  #begin() {
    this.#cleared = false;
    this.#typed = {};
    this.#refused = {};
  }

  /** What was typed before anyone knew the members may be more than there are. */
  #check(members) {
    const refused = refusals(this.#typed, this.#typed, members);
    if (Object.keys(refused).length === 0) return;
    this.#typed = {};
    this.#refused = refused;
  }

  #mayShow(tally) {
    if (!isSound(tally.counts) || tally.rehearsal !== this.rehearsal) return false;
    // Its zeros are nobody's votes: the figures come when it is closed.
    if (tally.withheld === "nothing_until_close") return false;
    return this.rollCall === null || tally.roll_call === this.rollCall;
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
    if (shown === undefined || shown.epoch === tally.epoch) return isNews(shown, tally);
    // Another epoch is a log that was restored. Where it has everything that is shown it
    // goes on; where it has less, a number never jumps back on air by itself: the operator
    // is told, and takes it with `release`.
    if (this.rollCall === null || tally.version >= shown.version) return true;
    this.#shorter = tally;
    return false;
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
    this.#latest = this.#shorter ?? this.#latest;
    this.#shorter = null;
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

  /** Figures typed by the operator, which beat the feed: {yes, no, abstain}, and if he
   * likes {absent, title, result}. All of them take effect, or none: see `refused`. */
  override(values) {
    if (Object.keys(values).length === 0) return;
    const all = typedOver(this.#typed, values);
    this.#refused = refusals(values, all, this.#latest?.counts.members ?? null);
    if (Object.keys(this.#refused).length === 0) this.#typed = all;
  }

  /** Why what was typed last did not take effect: {name: {why, value, sum, members}}. */
  get refused() {
    return this.#refused;
  }

  /** The tally to paint, or null for nothing at all. */
  get frame() {
    if (this.#cleared) return null;
    return this.#held ?? this.#shown();
  }

  #shown() {
    const { title, result } = this.#typed;
    const words = { ...(title && { title }), ...(result && { result }) };
    const counts = countsOf(this.#typed);
    if (counts === null) {
      const changes = Object.keys(words).length > 0;
      return this.#latest && changes ? { ...this.#latest, ...words } : this.#latest;
    }
    return {
      ...(this.#latest ?? { symbol: null, phase: "open", rehearsal: this.rehearsal }),
      ...words,
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
    if (this.#shorter !== null) return "STALE";
    if (ENDED.has(shown.phase)) return "FINAL";
    return this.#link === "live" ? "LIVE" : "STALE";
  }

  /** Why it is not live. */
  get reason() {
    if (this.state !== "STALE") return "";
    return this.#shorter === null ? this.#reason || this.#link : "restored";
  }

  /** The roll call whose tally is followed now. */
  get following() {
    return this.#latest?.roll_call ?? this.rollCall;
  }

  /** The newest good tally. */
  get latest() {
    return this.#latest;
  }

  /** What a reload must bring back; JSON. */
  get memory() {
    return { latest: this.#latest, held: this.#held, cleared: this.#cleared };
  }

  /** Take up what an earlier page remembered. Only before the first tally. */
  recall({ latest, held = null, cleared = false }) {
    if (latest === null || this.#latest !== null || !this.#mayShow(latest)) return;
    this.#latest = latest;
    this.#held = held !== null && isSound(held.counts) ? held : null;
    this.#cleared = cleared;
  }
}
