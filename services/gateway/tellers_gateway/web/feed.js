// The socket and the timers under a `Resumer`: connect, read, wait, connect again. For ever.
//
//   const feed = new Feed({chamber: "ga", wishes: [{feed: "tally"}], on: {tally, state}});
//   feed.start();
//
// `on` has any of: tally(tally), event(cloudEvent), state({name, since, reason}) with
// name connecting, live, held or stale, restart(reason) when everything must be fetched
// again (the feed has stopped), refused(reason) when it will not be served (stopped too).

import { Resumer, SUBPROTOCOL } from "./resumer.js";

const TICK_MS = 500;
const OPEN_MS = 5_000;

export class Feed {
  #options;
  #resumer;
  #socket = null;
  #timer = 0;
  #ticker = 0;
  #opening = 0;
  #told = "";

  constructor({ chamber, wishes, rehearsal = false, on, base = location.href }) {
    const address = new URL(`/v1/${encodeURIComponent(chamber)}/live`, base);
    address.protocol = address.protocol.replace("http", "ws");
    if (rehearsal) address.searchParams.set("rehearsal", "1");
    this.#options = { address, on };
    this.#resumer = new Resumer(wishes, Date.now());
  }

  start() {
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    addEventListener("online", this.#hurry);
    document.addEventListener("visibilitychange", this.#hurry);
    this.#connect();
    this.#tell();
  }

  stop() {
    clearInterval(this.#ticker);
    clearTimeout(this.#timer);
    removeEventListener("online", this.#hurry);
    document.removeEventListener("visibilitychange", this.#hurry);
    this.#drop();
  }

  /** Somebody looks again, or the network is back: do not sit out the pause. */
  #hurry = () => {
    this.#tick();
    if (document.hidden || this.#socket !== null) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), Math.random() * 1000);
  };

  #connect() {
    const socket = new WebSocket(this.#options.address, SUBPROTOCOL);
    this.#socket = socket;
    // A connection that never opens must not count as one.
    this.#opening = setTimeout(() => this.#lose(), OPEN_MS);
    socket.onopen = () => {
      clearTimeout(this.#opening);
      for (const request of this.#resumer.requests(Date.now())) {
        socket.send(JSON.stringify(request));
      }
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.#act(this.#resumer.received(JSON.parse(data), Date.now()));
    };
    socket.onclose = ({ code, reason }) => {
      if (socket === this.#socket) this.#lose(code, reason);
    };
  }

  /** Let go of the socket; what it may still say is not heard. */
  #drop() {
    clearTimeout(this.#opening);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
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
