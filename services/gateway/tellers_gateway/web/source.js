// What is known of one roll call, for all widgets of a page that show it: they share one
// connection. Whatever happens it goes on trying.

import { getJson } from "./dom.js";
import { Feed } from "./feed.js";
import { OnAir } from "./overlay/onair.js";

const RETRY_MS = 4_000;
const SPREAD_MS = 2_000;

export class Source {
  static #all = new Map();

  /** `base`: the gateway; `vote`: the roll call, null: whatever the chamber votes on. */
  static of(base, chamber, vote) {
    const key = JSON.stringify([new URL("/", base).href, chamber, vote]);
    if (!Source.#all.has(key)) Source.#all.set(key, new Source(key, base, chamber, vote));
    return Source.#all.get(key);
  }

  #key;
  #base;
  #chamber;
  #vote;
  #current = new OnAir(); // which of all is on now, where that is asked for
  #tally = null;
  #state = null;
  #viewers = new Set();
  #feed = null;
  #waiting = 0;
  #begun = false;

  constructor(key, base, chamber, vote) {
    this.#key = key;
    this.#base = base;
    this.#chamber = chamber;
    this.#vote = vote;
  }

  /** How far this clock is ahead of the gateway's, ms; null while unknown. */
  get skew() {
    return this.#feed?.about.skew ?? null;
  }

  /**
   * `viewer` has take(tally), linked(state), restart() (the log began anew: what it was
   * told before is void), and excuse(error) while there is nothing.
   */
  join(viewer) {
    this.#viewers.add(viewer);
    if (!this.#begun) {
      this.#begun = true;
      this.#begin();
    }
    if (this.#tally) viewer.take(this.#tally);
    if (this.#state) viewer.linked(this.#state);
  }

  leave(viewer) {
    this.#viewers.delete(viewer);
    if (this.#viewers.size > 0) return;
    Source.#all.delete(this.#key);
    clearTimeout(this.#waiting);
    this.#feed?.stop();
  }

  async #begin() {
    if (this.#vote === null) {
      this.#follow({ feed: "tally" }, false);
      return;
    }
    const [chamber, vote] = [this.#chamber, this.#vote].map(encodeURIComponent);
    let tally;
    try {
      tally = await getJson(
        new URL(`/v1/${chamber}/roll-calls/${vote}/tally`, this.#base));
    } catch (error) {
      for (const viewer of this.#viewers) viewer.excuse(error);
      this.#again(RETRY_MS);
      return;
    }
    if (this.#viewers.size === 0) return; // they have left meanwhile
    this.#take(tally);
    this.#follow({ feed: "tally", roll_call: this.#vote }, tally.rehearsal);
  }

  #follow(wish, rehearsal) {
    this.#feed = new Feed({
      chamber: this.#chamber,
      rehearsal,
      wishes: [wish],
      base: this.#base,
      on: {
        tally: (tally) => (this.#vote === null ? this.#choose(tally) : this.#take(tally)),
        state: (state) => this.#linked(state),
        restart: () => this.#restart(),
        refused: () => this.#again(RETRY_MS),
      },
    });
    this.#feed.start();
  }

  #restart() {
    for (const viewer of this.#viewers) viewer.restart();
    this.#again(0);
  }

  #again(wait) {
    clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => {
      if (this.#viewers.size > 0) this.#begin();
    }, wait + Math.random() * SPREAD_MS);
  }

  #choose(tally) {
    this.#current.take(tally);
    const { latest } = this.#current;
    if (latest !== null && latest !== this.#tally) this.#take(latest);
  }

  #take(tally) {
    this.#tally = tally;
    for (const viewer of this.#viewers) viewer.take(tally);
  }

  #linked(state) {
    this.#state = state;
    for (const viewer of this.#viewers) viewer.linked(state);
  }
}
