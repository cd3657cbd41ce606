// The line between overlays and the operator's dock, which are pages of one browser (OBS:
// a source and a custom dock). Overlays tell how they are, at every change and each
// second; the dock commands. Pages from disk have no such line.

const CHANNEL = "tellers-overlay";
const BEAT_MS = 1_000;

export class Desk {
  #channel = null;
  #beat = 0;
  #last = null;

  /** `obey(name, data)`: what the operator commands. */
  constructor(obey) {
    this.id = Math.random().toString(36).slice(2, 8);
    try {
      this.#channel = new BroadcastChannel(CHANNEL);
    } catch {
      return;
    }
    this.#channel.onmessage = ({ data }) => {
      if (data?.to === this.id && typeof data.command === "string") {
        obey(data.command, data.data);
      }
    };
    this.#beat = setInterval(() => this.#send(), BEAT_MS);
  }

  /** How this overlay is. */
  tell(status) {
    this.#last = status;
    this.#send();
  }

  #send() {
    if (this.#last !== null) {
      this.#channel?.postMessage({ from: this.id, status: this.#last });
    }
  }

  close() {
    clearInterval(this.#beat);
    this.#channel?.close();
    this.#channel = null;
  }
}

/** The dock's end: `heard(id, status)` of each overlay; `command(id, name, data)`. */
export class Overlays {
  #channel = new BroadcastChannel(CHANNEL);

  constructor(heard) {
    this.#channel.onmessage = ({ data }) => {
      if (data?.from && data.status) heard(data.from, data.status);
    };
  }

  command(id, name, data) {
    this.#channel.postMessage({ to: id, command: name, data });
  }
}
