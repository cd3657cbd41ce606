// The overlay as an EBU OGraf v1 graphic: an element around overlay.html, which stands
// beside this file and holds everything. The frame keeps our styles from the renderer's.

const STEPS = ["lower-third", "full", "bug"];
const FIRST_NUMBER_MS = 3_000;

export default class TellersGraphic extends HTMLElement {
  #frame = null;
  #state = "EMPTY";
  #step = undefined;
  #waiting = [];

  #heard = ({ source, data }) => {
    if (source !== this.#frame?.contentWindow || typeof data?.tellers !== "string") return;
    this.#state = data.tellers;
    if (this.#state === "EMPTY") return;
    for (const wake of this.#waiting.splice(0)) wake();
  };

  async load({ data = {}, renderCharacteristics = {} } = {}) {
    this.#frame = document.createElement("iframe");
    const { lang = "en", palette, symbols, delayMs, endpoint, chamber, vote } = data;
    const query = new URLSearchParams({ lang });
    if (endpoint) query.set("endpoint", endpoint);
    if (chamber) query.set("chamber", chamber);
    if (vote) query.set("vote", vote);
    if (palette) query.set("palette", palette);
    if (symbols === false) query.set("symbols", "0");
    if (delayMs) query.set("delay_ms", String(delayMs));
    const offline = renderCharacteristics.accessToPublicInternet === false;
    if (offline) query.set("offline", "1");
    this.#frame.style.cssText = "position:absolute;inset:0;width:100%;height:100%;border:0";
    this.#frame.allow = "autoplay";
    addEventListener("message", this.#heard);
    const loaded = new Promise((resolve) => (this.#frame.onload = resolve));
    this.#frame.src = new URL(`overlay.html?${query}`, import.meta.url).href;
    this.append(this.#frame);
    await loaded;
    this.#tell("stop");
    this.#tell("update", data);
    return { statusCode: 200 };
  }

  async dispose() {
    removeEventListener("message", this.#heard);
    this.#frame?.remove();
    this.#frame = null;
    return { statusCode: 200 };
  }

  async playAction({ goto, delta = 1 } = {}) {
    const target = goto ?? (this.#step ?? -1) + delta;
    if (target < 0 || target >= STEPS.length) return this.stopAction();
    if (this.#state === "EMPTY") await this.#firstNumber();
    if (this.#state === "EMPTY") {
      const statusMessage = "there is no good number yet";
      return { statusCode: 503, statusMessage, currentStep: this.#step };
    }
    this.#step = target;
    this.#tell("update", { layout: STEPS[target] });
    this.#tell("play");
    return { statusCode: 200, currentStep: target };
  }

  async updateAction({ data = {} } = {}) {
    this.#tell("update", data);
    return { statusCode: 200 };
  }

  async stopAction() {
    this.#tell("stop");
    this.#step = undefined;
    return { statusCode: 200, currentStep: undefined };
  }

  async customAction({ id } = {}) {
    if (!["hold", "release", "clear", "show"].includes(id)) {
      return { statusCode: 404, statusMessage: `there is no action ${id}` };
    }
    this.#tell(id);
    return { statusCode: 200 };
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
