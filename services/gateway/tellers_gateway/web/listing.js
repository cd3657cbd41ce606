// The roll calls of all chambers as the index shows them: on now, and past. Pure.

import { dayOf } from "./origin.js";
import { ENDED } from "./verdict.js";

/** Whether it is over; one of the past that could not be closed is over too. */
export const isPast = ({ phase, imported }) => ENDED.has(phase) || Boolean(imported);

export class Listing {
  #tallies = new Map();

  /** Take a page or an update; of two tallies of one roll call the newer stays. */
  take(tally) {
    const key = `${tally.chamber}/${tally.roll_call}`;
    const known = this.#tallies.get(key);
    const older = known?.epoch === tally.epoch && tally.seq < known.seq;
    if (older || tally.rehearsal) return null;
    this.#tallies.set(key, tally);
    return key;
  }

  /** Forget a chamber, whose list is fetched anew. */
  forget(chamber) {
    for (const [key, tally] of this.#tallies) {
      if (tally.chamber === chamber) this.#tallies.delete(key);
    }
  }

  get(key) {
    return this.#tallies.get(key);
  }

  get size() {
    return this.#tallies.size;
  }

  /** Keys of what runs, what is under way before what is only announced. */
  get now() {
    const weight = { open: 0, locked: 0, scheduled: 1 };
    return this.#keys((tally) => !isPast(tally)).sort(
      (a, b) => weight[this.get(a).phase] - weight[this.get(b).phase],
    );
  }

  /** Keys of what has ended, the newest first. */
  get past() {
    return this.#keys(isPast);
  }

  #keys(wanted) {
    return [...this.#tallies]
      .filter(([, tally]) => wanted(tally))
      .sort(([, a], [, b]) => later(dayOf(b), dayOf(a)) || b.seq - a.seq)
      .map(([key]) => key);
  }
}

const later = (a, b) => (a > b ? 1 : a < b ? -1 : 0);
