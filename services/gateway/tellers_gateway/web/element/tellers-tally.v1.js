// <tellers-tally chamber="ga" vote="es-11-1" lang="fr" theme="dark">fallback</tellers-tally>
//
//   <script type="module" src="https://…/elements/tellers-tally.v1.js" crossorigin></script>
//
// A live tally in any page, without a frame; one file, that may be copied. Attributes:
// `chamber` (ga), `vote`, or `follow="current"`: whatever the chamber votes on now; `lang`
// (the page's own), `dir`, `theme` (light, dark; else the reader's), `palette` (board,
// cvd), `symbols` ("0": none), `layout` (full, bug), `delay_ms` (to be as late as a
// picture), `pause`, `endpoint` (the gateway, for a copy on another host). Each may change at any time. Events on the element:
// `tellers-tally:update` (detail: the tally), `:final`, `:stale`. Parts to style: `card`,
// `footer`. What stands inside the tag is shown until there is a tally.

import base from "../base.css" with { type: "css" };
import widget from "../embed.css" with { type: "css" };
import { element } from "../dom.js";
import { chooseLanguage, Language } from "../language.js";
import { isCurrent, readLook } from "../looks.js";
import { Source } from "../source.js";
import { Widget } from "../widget.js";

/** The gateway that is named, else the one this file is from. */
function gateway(named) {
  try {
    return new URL("/", named ?? import.meta.url).href;
  } catch {
    return new URL("/", import.meta.url).href;
  }
}

class TellersTally extends HTMLElement {
  // The theme is the styles' own matter.
  static observedAttributes = [
    "chamber", "vote", "follow", "endpoint", "lang", "dir", "palette", "symbols", "layout",
    "delay_ms", "pause",
  ];

  #root = this.attachShadow({ mode: "open" });
  #source = null;
  #widget = null;
  #frame = null;
  #newest = null;

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [base, widget];
  }

  connectedCallback() {
    this.#start();
  }

  disconnectedCallback() {
    this.#follow(null);
  }

  attributeChangedCallback(name, before, now) {
    if (before === now || !this.isConnected || this.#widget === null) return;
    if (name === "pause") this.#widget.stop(now !== null);
    else this.#start();
  }

  #start() {
    const preferred = [this.closest("[lang]")?.lang ?? "", ...navigator.languages];
    const asked = new URLSearchParams({ lang: this.getAttribute("lang") ?? "" });
    const language = new Language(chooseLanguage(asked, preferred));
    const vote = this.getAttribute("vote");
    const current = isCurrent(vote, this.getAttribute("follow"));
    const from = gateway(this.getAttribute("endpoint"));
    this.#frame = element("div", {
      class: "frame", hidden: true, lang: language.tag, attributes: { part: "card" },
    });
    this.#widget = new Widget(this.#frame, language, {
      look: readLook((name) => this.getAttribute(name)),
      base: from,
      current,
      skew: () => this.#source?.skew ?? null,
      painted: (tally) => this.#painted(tally),
      paused: (on) => this.toggleAttribute("pause", on),
    });
    this.#root.replaceChildren(this.#frame, element("slot"));
    this.#widget.stop(this.hasAttribute("pause"));
    const chamber = this.getAttribute("chamber") ?? "ga";
    this.#follow(current || vote ? Source.of(from, chamber, current ? null : vote) : null);
  }

  /** From one source to another, or on with the same. */
  #follow(source) {
    const before = this.#source;
    this.#source = source;
    source?.join(this);
    if (before !== source) before?.leave(this);
  }

  take(tally) {
    this.#newest = tally;
    this.#widget.take(tally);
  }

  linked(state) {
    this.dataset.state = state.name;
    this.#widget.linked(state);
    if (state.name === "stale") this.#tell("stale", this.#newest);
  }

  restart() {
    this.#widget.restart();
  }

  excuse() {
    // What stands inside the tag is shown, or the last good figures.
  }

  #painted(tally) {
    this.#frame.hidden = false;
    this.#root.querySelector("slot")?.remove();
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
