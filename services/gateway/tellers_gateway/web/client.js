// Tellers for subscribers, in a browser and in node 18 or newer: one file, no dependency,
// the same code that the pages run on.
//
//   import { events, subscribe } from "./tellers-client.v1.mjs";
//
//   for await (const tally of subscribe("http://127.0.0.1:8000", { rollCall: "es-11-1" })) {
//     console.log(tally.counts.yes, tally.verdict.status);
//   }
//   for await (const event of events("http://127.0.0.1:8000", { after: 0 })) {
//     console.log(event.sequence, event.type); // every CloudEvent exactly once
//   }
//
// Options of both: `chamber` ("ga"), `rollCall` (all of the chamber), `rehearsal`,
// `signal` (an AbortSignal that ends it), `onState({name, since, reason})` with name
// connecting, live, held or stale, `onRestart(reason)`: the log was restored, forget what
// came before. Of events too: `after` and `epoch`, where an earlier subscription ended.
//
// Both reconnect for ever and go on where they were. They throw `Refused` when the gateway
// will not serve them. A reader of tallies that is slow gets the newest of each roll call.

import { Feed } from "./feed.js";
import { isSound } from "./resumer.js";

// So many tallies wait before only the newest of each roll call are kept.
const TALLIES_WAITING = 64;

/** The gateway will not serve this subscription. */
export class Refused extends Error {}

export class Subscription {
  #url;
  #feed;
  #kind;
  #options;
  #waiting = [];
  #wake = null;
  #failure = null;
  #ended = false;

  constructor(kind, url, options) {
    this.#kind = kind;
    this.#url = url;
    this.#options = options;
    /** Where it stands: kept by the caller, they resume a later subscription. */
    this.epoch = options.epoch ?? null;
    this.seq = options.after ?? null;
    options.signal?.addEventListener("abort", () => this.return(), { once: true });
    if (options.signal?.aborted) this.#ended = true;
    else this.#follow(options.after, options.epoch);
  }

  #follow(after, epoch) {
    const { chamber = "ga", rollCall, rehearsal = false, onState } = this.#options;
    const wish = { feed: this.#kind };
    if (rollCall !== undefined) wish.roll_call = rollCall;
    if (this.#kind === "events" && after !== undefined) wish.after = after;
    if (epoch !== undefined) wish.epoch = epoch;
    this.#feed = new Feed({
      base: this.#url,
      chamber,
      rehearsal,
      wishes: [wish],
      on: {
        tally: (tally) => this.#take(tally),
        event: (event) => this.#take(event),
        state: (state) => onState?.(state),
        restart: (reason) => this.#restart(reason),
        refused: (reason) => this.#fail(new Refused(reason || "no reason was given")),
      },
    });
    this.#feed.start();
  }

  /** The log is another one: everything comes again, from its beginning. */
  #restart(reason) {
    this.#take({ restart: reason });
    this.#follow(0);
  }

  #take(item) {
    this.#waiting.push(item);
    if (this.#kind === "tally" && this.#waiting.length > TALLIES_WAITING) {
      const newest = new Map(this.#waiting.map((one) => [one.roll_call, one]));
      this.#waiting = this.#waiting.filter(
        (one) => "restart" in one || newest.get(one.roll_call) === one,
      );
    }
    this.#stir();
  }

  #fail(error) {
    this.#failure = error;
    this.#stir();
  }

  #stir() {
    this.#wake?.();
    this.#wake = null;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async next() {
    for (;;) {
      const item = this.#ended ? undefined : this.#waiting.shift();
      if (item === undefined) {
        if (this.#ended) return { done: true, value: undefined };
        if (this.#failure !== null) {
          this.#ended = true;
          throw this.#failure;
        }
        await new Promise((resolve) => (this.#wake = resolve));
      } else if ("restart" in item) {
        this.#options.onRestart?.(item.restart);
      } else {
        this.epoch = item.epoch;
        this.seq = item.seq ?? Number(item.sequence);
        return { done: false, value: item };
      }
    }
  }

  /** End it; nothing comes any more. */
  async return() {
    this.#ended = true;
    this.#feed?.stop();
    this.#stir();
    return { done: true, value: undefined };
  }
}

/** The tallies of a chamber or of one roll call: the state now, then every change. */
export function subscribe(url, options = {}) {
  return new Subscription("tally", url, options);
}

/** Every event exactly once, in order: from the log's beginning with `after: 0`. */
export function events(url, options = {}) {
  return new Subscription("events", url, options);
}

export { Feed, isSound };
