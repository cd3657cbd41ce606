// The connection and the timers under a `Resumer`: connect, read, wait, connect again.
// For ever.
//
//   const feed = new Feed({chamber: "ga", wishes: [{feed: "tally"}], on: {tally, state}});
//   feed.start();
//
// `on` has any of: tally(tally), event(cloudEvent), state({name, since, reason}) with
// name connecting, live, held or stale, restart(reason) when everything must be fetched
// again (the feed has stopped), refused(reason) when it will not be served (stopped too).
//
// By WebSocket; where one never opens, because something between forbids it, every other
// try is by server-sent events.

import { SocketLine, StreamLine } from "./line.js";
import { Resumer } from "./resumer.js";

const TICK_MS = 500;
const OPEN_MS = 5_000;
// So many WebSockets in a row that never opened may be a proxy that lets none through.
const SHUT = 2;

export class Feed {
  #options;
  #resumer;
  #line = null;
  #kind = "socket";
  #shut = 0; // WebSockets in a row that never opened
  #timer = 0;
  #ticker = 0;
  #opening = 0;
  #told = "";

  constructor({ chamber, wishes, rehearsal = false, on, base = location.href }) {
    const address = new URL(`/v1/${encodeURIComponent(chamber)}/live`, base);
    if (rehearsal) address.searchParams.set("rehearsal", "1");
    this.#options = { address, on };
    this.#resumer = new Resumer(wishes, Date.now());
  }

  start() {
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    globalThis.addEventListener?.("online", this.#hurry);
    globalThis.document?.addEventListener("visibilitychange", this.#hurry);
    this.#connect();
    this.#tell();
  }

  stop() {
    clearInterval(this.#ticker);
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.("online", this.#hurry);
    globalThis.document?.removeEventListener("visibilitychange", this.#hurry);
    this.#drop();
  }

  /** For who watches the feed itself: {line, tries, heardAt, skew}. */
  get about() {
    const { failures, heardAt, skew } = this.#resumer;
    return { line: this.#kind, tries: failures, heardAt, skew };
  }

  /** The gateway is known to be there: connect within a second, if nothing is. */
  hurry() {
    this.#hurry();
  }

  /** Somebody looks again, or the network is back: do not sit out the pause. */
  #hurry = () => {
    this.#tick();
    if (globalThis.document?.hidden || this.#line !== null) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), Math.random() * 1000);
  };

  #connect() {
    const blocked = this.#shut >= SHUT && this.#shut % 2 === 0;
    this.#kind = blocked || !globalThis.WebSocket ? "stream" : "socket";
    const Line = this.#kind === "socket" ? SocketLine : StreamLine;
    this.#shut += 1;
    // A connection that never opens must not count as one.
    this.#opening = setTimeout(() => this.#lose(), OPEN_MS);
    const line = new Line(
      this.#options.address, () => this.#resumer.requests(Date.now()), {
        opened: () => {
          clearTimeout(this.#opening);
          if (this.#kind === "socket") this.#shut = 0;
        },
        frame: (frame) => {
          if (line === this.#line) this.#act(this.#resumer.received(frame, Date.now()));
        },
        closed: (code, reason) => {
          if (line === this.#line) this.#lose(code, reason);
        },
      },
    );
    this.#line = line;
  }

  #drop() {
    clearTimeout(this.#opening);
    const line = this.#line;
    this.#line = null;
    line?.close();
  }

  #lose(code = 1006, reason = "") {
    this.#drop();
    const wait = this.#resumer.lost(code, Math.random());
    this.#tell();
    if (wait === null) {
      this.#end("refused", reason);
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  #tick() {
    this.#act(this.#resumer.tick(Date.now()));
  }

  #act(outputs) {
    const { on } = this.#options;
    for (const output of outputs) {
      switch (output.kind) {
        case "tally":
          on.tally?.(output.tally);
          break;
        case "event":
          on.event?.(output.event);
          break;
        case "reconnect":
          this.#lose(output.code);
          return;
        default:
          this.#tell();
          this.#end(output.kind, output.reason);
          return;
      }
    }
    this.#tell();
  }

  #end(how, reason) {
    this.stop();
    this.#options.on[how]?.(reason);
  }

  #tell() {
    const { state } = this.#resumer;
    const told = JSON.stringify([state.name, state.reason]);
    if (told === this.#told) return;
    this.#told = told;
    this.#options.on.state?.(state);
  }
}
