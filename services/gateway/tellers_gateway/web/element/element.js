// The custom element's own code; see tellers-tally.v1.js for how it is used. Every
// element of one roll call in a page shares one connection.

import { Card } from "../card.js";
import { element, getJson, say } from "../dom.js";
import { Feed } from "../feed.js";
import { chooseLanguage, Language } from "../language.js";

const HERE = new URL("/", import.meta.url);
const STYLES = ["base.css", "embed.css"];
const RETRY_MS = 4_000;
const SPREAD_MS = 2_000;

/** One roll call, followed for all elements that show it. */
class Source {
  static #all = new Map();

  static of(chamber, vote) {
    const key = `${chamber}/${vote}`;
    if (!Source.#all.has(key)) Source.#all.set(key, new Source(key, chamber, vote));
    return Source.#all.get(key);
  }

  constructor(key, chamber, vote) {
    this.key = key;
    this.chamber = chamber;
    this.vote = vote;
    this.tally = null;
    this.state = { name: "connecting" };
    this.viewers = new Set();
    this.feed = null;
    this.waiting = 0;
  }

  join(viewer) {
    this.viewers.add(viewer);
    if (this.viewers.size === 1) this.#begin();
    if (this.tally) viewer.take(this.tally);
    viewer.linked(this.state);
  }

  leave(viewer) {
    this.viewers.delete(viewer);
    if (this.viewers.size > 0) return;
    clearTimeout(this.waiting);
    this.feed?.stop();
    this.feed = null;
  }

  async #begin() {
    const path = `v1/${encodeURIComponent(this.chamber)}/roll-calls/${
      encodeURIComponent(this.vote)}/tally`;
    try {
      this.#take(await getJson(new URL(path, HERE)));
    } catch {
      this.#again(RETRY_MS);
      return;
    }
    if (this.viewers.size === 0) return;
    this.feed = new Feed({
      chamber: this.chamber,
      rehearsal: this.tally.rehearsal,
      wishes: [{ feed: "tally", roll_call: this.vote }],
      base: HERE,
      on: {
        tally: (tally) => this.#take(tally),
        state: (state) => this.#linked(state),
        restart: () => this.#again(0),
        refused: () => this.#again(RETRY_MS),
      },
    });
    this.feed.start();
  }

  #again(wait) {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      if (this.viewers.size > 0) this.#begin();
    }, wait + Math.random() * SPREAD_MS);
  }

  #take(tally) {
    this.tally = tally;
    for (const viewer of this.viewers) viewer.take(tally);
  }

  #linked(state) {
    this.state = state;
    for (const viewer of this.viewers) viewer.linked(state);
  }
}

class TellersTally extends HTMLElement {
  static observedAttributes = ["chamber", "vote", "lang", "pause"];

  #root = this.attachShadow({ mode: "open" });
  #source = null;
  #card = null;
  #newest = null;
  #language = null;
  #parts = {};

  connectedCallback() {
    this.#start();
  }

  disconnectedCallback() {
    this.#stop();
  }

  attributeChangedCallback(name, before, now) {
    if (before === now || !this.isConnected || this.#source === null) return;
    if (name === "pause") this.#paint();
    else this.#start();
  }

  #start() {
    this.#stop();
    const preferred = [this.closest("[lang]")?.lang ?? "", ...navigator.languages];
    const asked = new URLSearchParams({ lang: this.getAttribute("lang") ?? "" });
    this.#language = new Language(chooseLanguage(asked, preferred));
    this.#build();
    const vote = this.getAttribute("vote");
    if (!vote) return;
    this.#source = Source.of(this.getAttribute("chamber") ?? "ga", vote);
    this.#source.join(this);
  }

  #stop() {
    this.#source?.leave(this);
    this.#source = null;
    this.#newest = null;
    this.#card = null;
  }

  #build() {
    const styles = STYLES.map((name) =>
      element("link", { rel: "stylesheet", href: new URL(`web/${name}`, HERE).href }));
    const place = element("ul", { class: "place" });
    const link = element("span");
    const time = element("span", { class: "figures" });
    const home = element("a", {
      textContent: this.#language.say("provider"), target: "_blank", rel: "noopener",
    });
    const footer = element(
      "footer", { attributes: { part: "footer" } },
      element("p", { class: "link" }, link, " ", time), home,
    );
    const frame = element(
      "div", {
        class: "frame", hidden: true, lang: this.#language.tag,
        dir: this.#language.direction, attributes: { part: "card" },
      }, place, footer,
    );
    const fallback = element("slot");
    this.#parts = { place, link, time, home, frame, fallback };
    this.#root.replaceChildren(...styles, frame, fallback);
  }

  take(tally) {
    this.#newest = tally;
    this.#paint();
  }

  linked({ name }) {
    this.dataset.state = name;
    say(this.#parts.link, this.#language.say(`state.${name}`));
    if (name === "stale") this.#tell("stale", this.#newest);
  }

  #paint() {
    const tally = this.#newest;
    if (tally === null || this.hasAttribute("pause")) return;
    const { place, time, home, frame, fallback } = this.#parts;
    frame.hidden = false;
    fallback.remove();
    if (this.#card === null) {
      this.#card = new Card(tally, this.#language);
      place.replaceChildren(this.#card.root);
    } else {
      this.#card.paint(tally);
    }
    const page = new URL(
      `v/${encodeURIComponent(tally.chamber)}/${encodeURIComponent(tally.roll_call)}`, HERE,
    ).href;
    this.#card.link.href = page;
    home.href = page;
    say(time, this.#language.say("as_of", { time: this.#language.time(tally.at) }));
    this.#tell("update", tally);
    if (tally.phase === "closed") this.#tell("final", tally);
  }

  #tell(what, detail) {
    this.dispatchEvent(new CustomEvent(`tellers-tally:${what}`, { detail }));
  }
}

if (!customElements.get("tellers-tally")) {
  customElements.define("tellers-tally", TellersTally);
}
