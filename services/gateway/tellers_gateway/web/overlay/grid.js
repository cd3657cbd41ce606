// Who voted how, as one picture for air: a chip and a code a member, or its name where
// the members are few. Painted for exactly the place in the log whose numbers are shown.

import { element, getJson } from "../dom.js";
import { chip, paintChip } from "../symbols.js";

// Beyond so many members names are too small for a picture.
const NAMES_UP_TO = 30;
const WAIT_MS = 4_000;

export class Grid {
  #options;
  #base;
  #lamps = new Map();
  #of = ""; // chamber and roll call of the lamps
  #wanted = null;
  #reading = false;

  constructor(options, base) {
    this.#options = options;
    this.#base = base;
    this.root = element("ol", { class: "grid", hidden: true });
  }

  /** Show the votes behind this tally; nothing for null or figures typed by hand. */
  paint(tally) {
    this.#wanted = tally === null || tally.manual ? null : tally;
    const of = this.#wanted && `${tally.chamber}/${tally.roll_call}`;
    this.root.hidden = of === null || of !== this.#of;
    if (this.#wanted !== null && !this.#reading) this.#read();
  }

  /** One read at a time; the newest that was wanted meanwhile follows. */
  async #read() {
    this.#reading = true;
    let done = null;
    while (this.#wanted !== null && this.#wanted !== done) {
      const tally = this.#wanted;
      try {
        this.#show(tally, await this.#fetch(tally));
        done = tally;
      } catch {
        break; // what is shown stays; the next tally asks again
      }
    }
    this.#reading = false;
  }

  #fetch({ chamber, roll_call: id, seq }) {
    const path = `/v1/${encodeURIComponent(chamber)}/roll-calls/${encodeURIComponent(id)}`;
    const address = new URL(path, this.#base);
    address.searchParams.set("lang", this.#options.lang);
    address.searchParams.set("as_of", seq);
    return getJson(address, AbortSignal.timeout(WAIT_MS));
  }

  #show(tally, { members, votes, barred }) {
    if (this.#wanted === null) return;
    const of = `${tally.chamber}/${tally.roll_call}`;
    if (of !== this.#of) this.#build(members);
    this.#of = of;
    const answers = new Map(votes.map((line) => [line.delegation, line]));
    for (const [code, { item, symbol }] of this.#lamps) {
      const answer = answers.get(code);
      const vote = answer?.vote ?? (code in barred ? "barred" : "none");
      item.dataset.vote = vote;
      item.toggleAttribute("data-changed", answer?.changed ?? false);
      paintChip(symbol, vote);
    }
    this.root.hidden = this.#wanted.roll_call !== tally.roll_call;
  }

  #build(members) {
    const few = members.length <= NAMES_UP_TO;
    const labels = this.#options.labels || (few ? "name" : "code");
    this.#lamps = new Map(
      members.map(({ delegation, name }) => {
        const symbol = chip("none");
        const label = element("span", {
          textContent: labels === "name" ? name : delegation,
        });
        const item = element("li", {}, symbol, label);
        return [delegation, { item, symbol }];
      }),
    );
    this.root.dataset.labels = labels;
    this.root.dataset.size = few ? "few" : "many";
    const items = [...this.#lamps.values()].map(({ item }) => item);
    this.root.replaceChildren(...items);
  }
}
