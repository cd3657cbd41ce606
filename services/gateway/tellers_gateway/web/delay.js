// `delay_ms`: a page shows what it hears so much after it was published, in step with a
// programme's picture that comes late (5 to 40 s on the web), and does not give it away.
// No page, no socket.

const HIGHEST_MS = 60_000;
// How often what waits is looked at again: the gateway's clock may be known meanwhile.
const LOOK_MS = 1_000;

/** Milliseconds, at most a minute; 0 for whatever is no whole number. */
export function readDelay(text) {
  const ms = text === null || text === "" ? 0 : Number(text);
  return Number.isSafeInteger(ms) && ms > 0 ? Math.min(ms, HIGHEST_MS) : 0;
}

/** A link from one page of ours to another, which is to be as late. */
export const handOn = (address, ms) => (ms > 0 ? `${address}&delay_ms=${ms}` : address);

export class Delay {
  #skew;
  #waiting = []; // in the order in which it came: [{at, since, act}]
  #timer = 0;

  /** `skew()`: how far this clock is ahead of the gateway's, ms; null while unknown. */
  constructor(ms, skew) {
    this.ms = ms;
    this.#skew = skew;
  }

  /** Act when what was published `at` is due; nothing overtakes what came before it. */
  pass(at, act) {
    this.#waiting.push({ at, since: performance.now(), act });
    this.#look();
  }

  /** Forget what waits. */
  clear() {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  #look() {
    clearTimeout(this.#timer);
    while (this.#waiting.length > 0) {
      const left = this.#left(this.#waiting[0]);
      if (left > 0) {
        this.#timer = setTimeout(() => this.#look(), Math.min(left, LOOK_MS));
        return;
      }
      this.#waiting.shift().act();
    }
  }

  /** Counted from its publication, as far as the gateway's clock is known, but never
   * longer than the delay from when it was heard. */
  #left({ at, since }) {
    const left = since + this.ms - performance.now();
    const skew = this.#skew();
    const due = Date.parse(at) + (skew ?? NaN) + this.ms - Date.now();
    return Number.isNaN(due) ? left : Math.min(due, left);
  }
}
