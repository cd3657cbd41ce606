// Paints one tally in a layout. Every text by textContent; nothing is painted for null.

import { element, say } from "../dom.js";
import { chip } from "../symbols.js";
import { silentLabel, verdictInWords } from "../verdict.js";

const VOTES = ["yes", "no", "abstain"];

export class Plate {
  #language;
  #options;
  #numbers = new Map();
  #parts = {};
  #shown = null;

  /** `grid`: who voted how, for the layout that shows it. */
  constructor(root, language, options, grid) {
    this.root = root;
    this.grid = grid;
    this.#language = language;
    this.#options = options;
    this.#build();
  }

  #build() {
    const part = (name, tag = "p") => (this.#parts[name] = element(tag, { class: name }));
    const counts = (this.#parts.counts = element("dl", { class: "counts" }));
    for (const vote of VOTES) {
      const number = element("dd", { class: "number" });
      const label = element("span", { textContent: this.#language.say(vote) });
      const term = element("dt", {}, ...(this.#options.symbols ? [chip(vote)] : []), label);
      this.#numbers.set(vote, number);
      counts.append(element("div", { class: "count", data: { vote } }, term, number));
    }
    const silent = element("dd", { class: "number" });
    const silentTerm = element("dt");
    this.#numbers.set("silent", silent);
    this.#parts.silentTerm = silentTerm;
    this.#parts.silent = element(
      "div", { class: "count", data: { vote: "none" } }, silentTerm, silent,
    );
    counts.append(this.#parts.silent);
    const plate = element(
      "section", { class: "plate" },
      element("header", {}, part("symbol"), part("title")),
      counts,
      this.grid.root,
      element("footer", {}, part("verdict"), part("detail"), part("stamp")),
      part("rehearsal"),
    );
    this.root.append(plate);
    this.root.hidden = true;
  }

  /** Paint it, or take it off. */
  paint(tally, layout) {
    this.root.hidden = tally === null;
    this.grid.paint(layout === "members" ? tally : null);
    const other =
      tally?.roll_call !== this.#shown?.roll_call || tally?.epoch !== this.#shown?.epoch;
    this.#shown = tally;
    if (tally === null) return;
    // Between two votes there is a cut, never a morph of one's numbers into the other's.
    this.root.classList.toggle("cut", other);
    const language = this.#language;
    const parts = this.#parts;
    say(parts.symbol, tally.symbol ?? "");
    say(parts.title, tally.title ?? "");
    // Before it opens nobody was asked: there is nothing to count, not 0.
    parts.counts.hidden = tally.phase === "scheduled" && !tally.manual;
    for (const vote of VOTES) this.#count(vote, tally.counts[vote], !other);
    const silent = tally.counts.not_voting;
    parts.silent.hidden = silent === null;
    if (silent !== null) {
      say(parts.silentTerm, silentLabel(tally.phase, language));
      this.#count("silent", silent, !other);
    }
    this.#verdict(tally);
    say(parts.rehearsal, tally.rehearsal ? language.say("rehearsal") : "");
    const stamp = this.#options.stamp && tally.at;
    say(parts.stamp, stamp ? language.say("as_of", { time: language.time(tally.at) }) : "");
  }

  #count(name, value, changes) {
    const number = this.#numbers.get(name);
    const text = this.#language.number(value);
    if (number.textContent === text) return;
    number.textContent = text;
    if (changes && this.#options.animate) {
      number.classList.remove("fresh");
      void number.offsetWidth; // restart the animation
      number.classList.add("fresh");
    }
  }

  #verdict(tally) {
    const { verdict, detail } = this.#parts;
    if (!tally.verdict) {
      delete this.root.dataset.status;
      say(verdict, tally.result ?? "");
      say(detail, "");
      return;
    }
    const words = verdictInWords(tally, this.#language);
    this.root.dataset.status = tally.verdict.status;
    say(verdict, tally.result ?? words.headline);
    say(detail, words.path || words.qualifier || words.rule);
  }
}
