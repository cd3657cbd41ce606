// What a page must do with each frame, silence and close. No socket, no clock: pure.
//
//   connecting --subscribed--> live --lost, silent--> stale --subscribed--> live
//                               |  a tally says it is held: held
//
// Rules, so that the number on the screen is right or visibly old:
// - within an epoch no tally is shown that is not newer than the shown one, but for the
//   mark that it is held, or no longer is;
// - another epoch is a fresh start: the page fetches everything again;
// - tallies are states, so a subscription begins anew with the state now, which also
//   tells a hold at an unchanged seq; events are facts, so theirs resumes after the last;
// - an event feed has no gaps: one that appears is fetched again.

export const SUBPROTOCOL = "tellers.v1";
// Heartbeats come every 5 s; two may be late.
export const SILENCE_MS = 12_000;
// How long the head of the log may be ahead of what an unfiltered feed has shown.
export const BEHIND_MS = 2_000;
export const MAX_BACKOFF_MS = 30_000;
const RESTARTING_MS = 5_000;
const SHEDDING = 1013;
const SHEDDING_MS = 10_000;
const TOO_MANY_MS = 60_000;
const TERMINAL_CODES = new Set([1008, 4400, 4401, 4403, 4404, 4409, 4410]);
const RETRIED_STATUSES = new Set([408, 425, 429]);

/** Milliseconds until the next connection; null when the gateway would say the same. */
export function pause(code, failures, chance) {
  if (TERMINAL_CODES.has(code)) return null;
  // Full jitter: the viewers of a gateway that went away do not all come back at once.
  const backoff = Math.min(MAX_BACKOFF_MS, 1000 * 2 ** Math.min(failures, 10));
  if (code === 1001 || code === 1012) return chance * RESTARTING_MS;
  if (code === SHEDDING) return SHEDDING_MS + chance * backoff;
  if (code === 4429) return TOO_MANY_MS + chance * backoff;
  return chance * backoff;
}

/** Whether a tally may replace the one that is shown of the same roll call. */
export function isNews(shown, tally) {
  if (shown === undefined) return true;
  if (tally.seq !== shown.seq) return tally.seq > shown.seq;
  return JSON.stringify(tally.held ?? null) !== JSON.stringify(shown.held ?? null);
}

/** Whether these can be counts: whole numbers that add up within the membership. */
export function isSound(counts) {
  const { yes, no, abstain, not_voting: silent, entitled, members } = counts;
  const all = [yes, no, abstain, silent, entitled, members];
  return (
    all.every((count) => Number.isSafeInteger(count) && count >= 0) &&
    yes + no + abstain + silent === entitled &&
    entitled <= members
  );
}

const isRunning = ({ phase }) => phase !== "closed" && phase !== "annulled";

/**
 * The subscriptions of one page to one chamber, across all its connections.
 *
 * `wishes`: [{feed: "tally" | "events", roll_call?, after?, epoch?}]. Every method that
 * takes something in returns what the page must do: {kind: "tally", tally},
 * {kind: "event", event}, {kind: "restart" | "reconnect" | "refused", reason, code?}.
 */
export class Resumer {
  constructor(wishes, now) {
    this.wishes = wishes.map((wish, index) => ({ ...wish, id: index + 1 }));
    this.epoch = wishes.find((wish) => wish.epoch)?.epoch ?? null;
    this.failures = 0;
    this.shown = new Map(); // roll call -> {seq, held, phase}
    this.version = null; // of the last event of a filtered feed
    this.link = "connecting";
    this.reason = "";
    this.heardAt = now;
    this.behind = null; // {head, since}: the log is ahead of what is shown
    this.refetchedAt = -1; // the head for which a fresh subscription was asked
    this.skew = null; // by how much this clock is ahead of the gateway's, milliseconds
  }

  /** What to ask for on a connection that has just opened. */
  requests(now) {
    this.heardAt = now;
    this.waiting = this.wishes.length;
    return this.wishes.map(({ id, feed, roll_call, after }) => ({
      op: "subscribe",
      id,
      feed,
      ...(roll_call === undefined ? {} : { roll_call }),
      ...(feed === "events" && after !== undefined ? { after, epoch: this.epoch } : {}),
    }));
  }

  /** What a frame comes to. */
  received(frame, now) {
    this.heardAt = now;
    switch (frame.op) {
      case "subscribed":
        return this.#subscribed(frame);
      case "caught_up":
        this.failures = 0;
        return [];
      case "heartbeat":
        return this.#heartbeat(frame, now);
      case "tally":
        return this.#tally(frame);
      case "event":
        return this.#event(frame);
      case "error":
        return this.#error(frame.problem ?? {});
      default:
        return []; // newer than this page, and nothing it asked for
    }
  }

  /** What the passing of time comes to. */
  tick(now) {
    if (this.link !== "live") return [];
    if (now - this.heardAt > SILENCE_MS) {
      return this.#goStale("silence", [{ kind: "reconnect", reason: "silence" }]);
    }
    if (this.behind !== null && now - this.behind.since > BEHIND_MS) {
      this.refetchedAt = this.behind.head;
      this.behind = null;
      return [{ kind: "reconnect", reason: "behind" }];
    }
    return [];
  }

  /** The connection ended: milliseconds to wait, or null when there is no point. */
  lost(code, chance) {
    this.#goStale("closed", []);
    this.behind = null;
    const wait = pause(code, this.failures, chance);
    this.failures += 1;
    return wait;
  }

  /** Whether what is shown is live, and if not, since when and why. */
  get state() {
    const held = [...this.shown.values()].find((one) => one.held && isRunning(one));
    if (held) return { name: "held", since: held.at, reason: held.held.reason };
    if (this.link === "live") return { name: "live", since: null, reason: "" };
    return { name: this.link, since: this.heardAt, reason: this.reason };
  }

  #goStale(reason, outputs) {
    this.link = "stale";
    this.reason = reason;
    return outputs;
  }

  #subscribed(frame) {
    const other = this.epoch !== null && frame.epoch !== this.epoch;
    if (other || frame.recovered === false) {
      const reason = frame.reason ?? `the epoch is now ${frame.epoch}`;
      return this.#goStale("restart", [{ kind: "restart", reason }]);
    }
    this.epoch = frame.epoch;
    const wish = this.wishes.find(({ id }) => id === frame.id);
    // Events that start now start after the head: cut off before the first, they go on
    // from there.
    if (wish?.feed === "events") wish.after ??= frame.seq;
    this.waiting -= 1;
    if (this.waiting <= 0) this.link = "live";
    return [];
  }

  #heartbeat(frame, now) {
    // The beat that came fastest tells it best.
    const ahead = now - Date.parse(frame.at);
    if (Number.isFinite(ahead)) this.skew = Math.min(this.skew ?? Infinity, ahead);
    if (this.epoch !== null && frame.epoch !== this.epoch) {
      return [{ kind: "reconnect", reason: "epoch" }];
    }
    const unfiltered = this.wishes.some(
      (wish) => wish.feed === "tally" && wish.roll_call === undefined,
    );
    if (unfiltered && frame.seq > this.seq && frame.seq !== this.refetchedAt) {
      this.behind ??= { head: frame.seq, since: now };
    }
    return [];
  }

  /** The newest seq that is shown. */
  get seq() {
    return Math.max(0, ...[...this.shown.values()].map(({ seq }) => seq));
  }

  #tally(tally) {
    if (this.epoch !== null && tally.epoch !== this.epoch) {
      const reason = `epoch ${tally.epoch} without a fresh start`;
      return this.#goStale("restart", [{ kind: "restart", reason }]);
    }
    if (!isNews(this.shown.get(tally.roll_call), tally)) return [];
    if (!isSound(tally.counts)) {
      // Asking at once would most likely bring the same again.
      const code = SHEDDING;
      return [{ kind: "reconnect", reason: "counts that do not add up", code }];
    }
    const { seq, held, phase, at } = tally;
    this.shown.set(tally.roll_call, { seq, held, phase, at });
    if (this.behind !== null && this.seq >= this.behind.head) this.behind = null;
    return [{ kind: "tally", tally }];
  }

  #event({ seq, event }) {
    const wish = this.wishes.find(
      ({ feed, roll_call }) =>
        feed === "events" && (roll_call === undefined || roll_call === event.rollcall),
    );
    if (wish === undefined || (wish.after !== undefined && seq <= wish.after)) return [];
    const filtered = wish.roll_call !== undefined;
    const [place, last] = filtered
      ? [event.rollcallversion, this.version]
      : [seq, wish.after ?? null];
    if (last !== null && place !== last + 1) {
      return [{ kind: "reconnect", reason: `a gap before event ${seq}` }];
    }
    wish.after = seq;
    if (filtered) this.version = place;
    return [{ kind: "event", event }];
  }

  #error(problem) {
    const reason = problem.detail ?? problem.title ?? "";
    const final =
      problem.status >= 400 && problem.status < 500 &&
      !RETRIED_STATUSES.has(problem.status);
    return [{ kind: final ? "refused" : "reconnect", reason }];
  }
}
