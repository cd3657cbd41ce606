// The overlay as an EBU OGraf v1 graphic: an element around overlay.html, which stands
// beside this file and holds everything. The frame keeps our styles from the renderer's.
//
// A renderer may call in any order and again before an answer: calls are served one after
// the other, and one that makes no sense yet is answered with 409, never thrown.

const STEPS = 3; // the tally, who voted how, the result
const FIRST_NUMBER_MS = 3_000;
const ACTIONS = ["hold", "release", "clear", "show"];
const NOT_LOADED = { statusCode: 409, statusMessage: "load comes first" };

export default class TellersGraphic extends HTMLElement {
  /** The layout of the first step. */
  static layout = "lower-third";

  #frame = null;
  #state = "EMPTY";
  #step = undefined;
  #waiting = [];
  #last = Promise.resolve();

  #heard = ({ source, data }) => {
    if (source !== this.#frame?.contentWindow || typeof data?.tellers !== "string") return;
    this.#state = data.tellers;
    if (this.#state === "EMPTY") return;
    for (const wake of this.#waiting.splice(0)) wake();
  };

  load(params) {
    return this.#inTurn(() => this.#load(params));
  }

  dispose() {
    return this.#inTurn(() => this.#dispose());
  }

  playAction(params) {
    return this.#whenLoaded(() => this.#play(params));
  }

  updateAction({ data = {} } = {}) {
    return this.#whenLoaded(() => {
      this.#tell("update", data);
      return { statusCode: 200 };
    });
  }

  stopAction() {
    return this.#whenLoaded(() => this.#stop());
  }

  customAction({ id } = {}) {
    return this.#whenLoaded(() => {
      if (!ACTIONS.includes(id)) {
        return { statusCode: 404, statusMessage: `there is no action ${id}` };
      }
      this.#tell(id);
      return { statusCode: 200 };
    });
  }

  #inTurn(call) {
    const answer = this.#last.then(call);
    this.#last = answer.catch(() => {});
    return answer;
  }

  #whenLoaded(call) {
    return this.#inTurn(() => (this.#frame === null ? NOT_LOADED : call()));
  }

  async #load({ data = {}, renderCharacteristics = {} } = {}) {
    await this.#dispose();
    const frame = document.createElement("iframe");
    const query = new URLSearchParams({ layout: this.constructor.layout });
    const { endpoint, chamber, vote, lang } = data ?? {};
    for (const [name, value] of Object.entries({ endpoint, chamber, vote, lang })) {
      if (value) query.set(name, value);
    }
    const offline = renderCharacteristics?.accessToPublicInternet === false;
    if (offline) query.set("offline", "1");
    frame.style.cssText = "position:absolute;inset:0;width:100%;height:100%;border:0";
    frame.allow = "autoplay";
    const loaded = new Promise((resolve) => (frame.onload = resolve));
    frame.src = new URL(`overlay.html?${query}`, import.meta.url).href;
    this.#frame = frame;
    addEventListener("message", this.#heard);
    this.append(frame);
    await loaded;
    this.#tell("stop");
    this.#tell("update", data ?? {});
    return { statusCode: 200 };
  }

  async #dispose() {
    removeEventListener("message", this.#heard);
    this.#frame?.remove();
    this.#frame = null;
    this.#state = "EMPTY";
    this.#step = undefined;
    return { statusCode: 200 };
  }

  async #play({ goto, delta = 1 } = {}) {
    const target = goto ?? (this.#step ?? -1) + delta;
    if (target < 0 || target >= STEPS) return this.#stop();
    if (this.#state === "EMPTY") await this.#firstNumber();
    if (this.#state === "EMPTY") {
      const statusMessage = "there is no good number yet";
      return { statusCode: 503, statusMessage, currentStep: this.#step };
    }
    this.#step = target;
    this.#tell("step", target);
    this.#tell("play");
    return { statusCode: 200, currentStep: target };
  }

  #stop() {
    this.#tell("stop");
    this.#step = undefined;
    return { statusCode: 200, currentStep: undefined };
  }

  #tell(action, data) {
    this.#frame?.contentWindow.postMessage({ tellers: action, data }, "*");
  }

  #firstNumber() {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      setTimeout(resolve, FIRST_NUMBER_MS);
    });
  }
}
