// The hall: one lamp a member, in the chamber's order. Names are never cut: those that
// do not fit get smaller letters.

import { calm, element } from "./dom.js";
import { chip, paintChip } from "./symbols.js";

// Columns of the hall for up to so many members, where all of it must be seen at once.
const COLUMNS = [[20, 3], [60, 4], [100, 5], [150, 6], [Infinity, 7]];
const LAMP_MS = 260;
const FITS = 5;
// Pixels between two lamps, into which the lines of a name may reach.
const GAP = 3;

export class Hall {
  #lamps = new Map();
  #language;
  #list;

  constructor(list, language) {
    this.#list = list;
    this.#language = language;
    new ResizeObserver(() => this.#fit()).observe(list);
  }

  /** Paint the whole picture. */
  paint(picture) {
    const columns = COLUMNS.find(([most]) => picture.members.length <= most)[1];
    const rows = Math.ceil(picture.members.length / columns);
    this.#list.style.setProperty("--rows", rows);
    this.#list.dataset.columns = columns;
    this.#lamps = new Map(
      picture.members.map((member) => [member.delegation, this.#lamp(member)]),
    );
    for (const code of this.#lamps.keys()) this.light(code, picture, false);
    const items = [...this.#lamps.values()].map(({ item }) => item);
    this.#list.replaceChildren(...items);
    this.#fit();
  }

  #lamp({ delegation, name }) {
    const symbol = chip("none");
    const label = element("span", { class: "name", textContent: name });
    const word = element("span", { class: "word" });
    const item = element("li", { class: "lamp", data: { delegation } });
    item.append(symbol, label, word);
    return { item, symbol, label, word };
  }

  /** Show one member's lamp as it is in the picture. */
  light(code, picture, moved = true) {
    const lamp = this.#lamps.get(code);
    const { vote, changed } = picture.lamps.get(code);
    lamp.item.dataset.vote = vote;
    lamp.item.toggleAttribute("data-changed", changed);
    paintChip(lamp.symbol, vote);
    lamp.word.textContent = this.#inWords(vote, changed, picture.tally);
    if (vote === "barred") lamp.item.title = picture.barred[code] ?? "";
    if (moved && !calm.matches) {
      lamp.symbol.animate(
        [{ transform: "scale(0.6)", opacity: 0.4 }, { transform: "none", opacity: 1 }],
        { duration: LAMP_MS, easing: "ease-out" },
      );
    }
  }

  #inWords(vote, changed, { phase, withheld }) {
    if (vote === "none" && withheld) return this.#language.say("withheld");
    const over = phase === "locked" || phase === "closed" || phase === "annulled";
    const key = vote === "none" && over ? "not_voting" : vote;
    const word = this.#language.say(key);
    return changed ? `${word} · ${this.#language.say("changed")}` : word;
  }

  /** The words of every lamp, when the phase changes what silence means. */
  reword(picture) {
    for (const [code, { word }] of this.#lamps) {
      const { vote, changed } = picture.lamps.get(code);
      word.textContent = this.#inWords(vote, changed, picture.tally);
    }
  }

  /** Smaller letters for the names that do not fit, step by step. */
  #fit() {
    const lamps = [...this.#lamps.values()];
    for (const { label } of lamps) delete label.dataset.fit;
    let over = lamps.filter(overflows);
    for (let step = 1; step <= FITS && over.length > 0; step += 1) {
      for (const { label } of over) label.dataset.fit = step;
      over = over.filter(overflows);
    }
  }
}

function overflows({ item, label }) {
  return (
    label.scrollHeight > item.clientHeight + GAP || label.scrollWidth > label.clientWidth
  );
}
