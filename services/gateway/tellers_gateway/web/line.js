// One connection to a chamber's feeds, in either of the two forms that the gateway has:
// a WebSocket, or server-sent events where no WebSocket comes through. The frames are the
// same. No retry, no rule: those are a `Resumer`'s.
//
//   new SocketLine(address, requests, on)    `address`: the http address of /live
//   new StreamLine(address, requests, on)    `requests()`: what to subscribe to
//
// `on` has opened(), frame(frame) and closed(code, reason), which is called at most once
// and never after close().

import { SUBPROTOCOL } from "./resumer.js";

const LOST = 1006;
const TRY_LATER = 1013;
const BUSY = new Set([429, 503]);

export class SocketLine {
  #socket;

  constructor(address, requests, on) {
    const where = new URL(address);
    where.protocol = where.protocol.replace("http", "ws");
    const socket = new WebSocket(where, SUBPROTOCOL);
    this.#socket = socket;
    socket.onopen = () => {
      on.opened();
      for (const request of requests()) socket.send(JSON.stringify(request));
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) on.frame(JSON.parse(data));
    };
    socket.onclose = ({ code, reason }) => {
      if (socket === this.#socket) on.closed(code, reason);
    };
  }

  /** Let go of it; what it may still say is not heard. */
  close() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }
}

/** A stream for each subscription. By `fetch`, which node has as well as a browser. */
export class StreamLine {
  #on;
  #abort = new AbortController();

  constructor(address, requests, on) {
    this.#on = on;
    for (const request of requests()) this.#follow(new URL(address), request);
  }

  close() {
    this.#on = null;
    this.#abort.abort();
  }

  async #follow(address, { id, feed, roll_call, after, epoch }) {
    for (const [name, value] of Object.entries({ feed, roll_call, after, epoch })) {
      if (value !== undefined && value !== null) address.searchParams.set(name, value);
    }
    try {
      const { signal } = this.#abort;
      const headers = { Accept: "text/event-stream" };
      const answer = await fetch(address, { headers, signal, cache: "no-store" });
      if (answer.ok) {
        this.#on?.opened();
        for await (const frame of framesOf(answer.body)) {
          // Alone on its stream, the gateway calls every subscription 0.
          this.#on?.frame(frame.id === undefined ? frame : { ...frame, id });
        }
      } else if (!BUSY.has(answer.status)) {
        const problem = await answer.json().catch(() => ({ status: answer.status }));
        this.#on?.frame({ op: "error", id, problem });
      } else {
        this.#end(TRY_LATER);
        return;
      }
    } catch {
      // Nobody there, or the connection broke: the same as its end.
    }
    this.#end(LOST);
  }

  #end(code) {
    const on = this.#on;
    this.close();
    on?.closed(code, "");
  }
}

/** The frames in the bytes of a `text/event-stream`, as they come. */
async function* framesOf(body) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n").filter((line) => line.startsWith("data:"));
      if (lines.length === 0) continue;
      yield JSON.parse(lines.map((line) => line.slice(5).trimStart()).join("\n"));
    }
  }
}
