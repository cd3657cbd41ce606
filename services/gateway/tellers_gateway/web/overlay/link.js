// How tallies come to an overlay: WebSocket, else server-sent events (both are a `Feed`'s),
// else plain reads every 2 s. Whatever happens it goes on trying.

import { getJson } from "../dom.js";
import { Feed } from "../feed.js";

const POLL_MS = 2_000;
const AGAIN_MS = 1_000;
const AGAIN_SPREAD_MS = 4_000;

export class Link {
  #options;
  #on;
  #feed = null;
  #polling = 0;
  #again = 0;
  #stopped = false;
  #polled = null; // when the last plain read brought a tally

  /**
   * `options`: an overlay's; `base`: the gateway's address; `on`: tally(tally) and
   * state({name, reason}).
   */
  constructor(options, base, on) {
    this.#options = { ...options, base };
    this.#on = on;
    this.#follow();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#again);
    clearInterval(this.#polling);
    this.#feed?.stop();
  }

  /** {line: socket, stream or poll, tries, heardAt, skew}. */
  get about() {
    const about = this.#feed.about;
    if (this.#polled === null) return about;
    return { ...about, line: "poll", heardAt: this.#polled };
  }

  #follow() {
    const { chamber, rollCall, rehearsal, base } = this.#options;
    const wish = { feed: "tally", ...(rollCall === null ? {} : { roll_call: rollCall }) };
    const retry = () => this.#followLater();
    this.#feed = new Feed({
      chamber, rehearsal, base, wishes: [wish],
      on: {
        tally: this.#on.tally,
        state: (state) => this.#linked(state),
        restart: retry,
        refused: retry,
      },
    });
    this.#feed.start();
  }

  /** Whatever the gateway says, the overlay stays and asks again. */
  #followLater() {
    clearTimeout(this.#again);
    const wait = AGAIN_MS + Math.random() * AGAIN_SPREAD_MS;
    this.#again = setTimeout(() => this.#follow(), wait);
  }

  #linked({ name, reason }) {
    clearInterval(this.#polling);
    this.#polling = 0;
    this.#polled = null;
    if (name === "stale" && !this.#stopped) {
      this.#polling = setInterval(() => this.#poll(), POLL_MS);
    }
    this.#on.state({ name, reason });
  }

  async #poll() {
    const { chamber, rollCall, rehearsal, base } = this.#options;
    const list = `/v1/${encodeURIComponent(chamber)}/roll-calls`;
    const path =
      rollCall === null
        ? `${list}?limit=5${rehearsal ? "&rehearsal=1" : ""}`
        : `${list}/${encodeURIComponent(rollCall)}/tally`;
    const polling = this.#polling;
    let found = [];
    let reason = "closed";
    try {
      const answer = await getJson(new URL(path, base), AbortSignal.timeout(POLL_MS));
      found = rollCall === null ? answer.items : [answer];
    } catch (error) {
      reason = error.code || reason; // the last good number stays
    }
    // A feed has come meanwhile, or this is over.
    if (polling !== this.#polling || this.#stopped) return;
    const held = found.find((tally) => tally.held)?.held;
    if (found.length === 0) {
      if (this.#polled !== null) this.#on.state({ name: "stale", reason });
      this.#polled = null;
      return;
    }
    this.#polled = Date.now();
    this.#on.state(held ? { name: "held", reason: held.reason } : { name: "live", reason: "" });
    for (const tally of found.reverse()) this.#on.tally(tally);
    this.#feed.hurry(); // the gateway is there
  }
}
