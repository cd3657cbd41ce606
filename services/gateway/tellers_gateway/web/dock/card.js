// One card of the dock: the feed's, or an overlay's with what commands it.

import { element, say } from "../dom.js";
import { chip } from "../symbols.js";
import { verdictInWords } from "../verdict.js";
import { Typing } from "./typing.js";

const VOTES = ["yes", "no", "abstain"];
const LAYOUTS = ["step.tally", "step.members", "step.result"];

export class Card {
  #language;
  #numbers = new Map();
  #parts = {};
  #typing = null;

  /** `command(name, data)` tells the overlay; null where there is none. */
  constructor(root, language, heading, command = null) {
    this.root = root;
    this.#language = language;
    root.className = "card figures";
    const part = (name, tag = "p") => (this.#parts[name] = element(tag, { class: name }));
    const counts = element("dl", { class: "counts" });
    for (const vote of VOTES) {
      const number = element("dd", { class: "number" });
      const name = element("span", { class: "aloud", textContent: language.say(vote) });
      this.#numbers.set(vote, number);
      const term = element("dt", {}, chip(vote), name);
      counts.append(element("div", { class: "count", data: { vote } }, term, number));
    }
    this.#parts.counts = counts;
    root.replaceChildren(
      element("header", {}, element("h2", { textContent: heading }), part("state")),
      part("rehearsal"), part("title"), counts, part("verdict"), part("facts"),
    );
    if (command === null) return;
    this.#typing = new Typing(language, command);
    root.append(this.#buttons(command), this.#typing.root);
  }

  #buttons(command) {
    const language = this.#language;
    const button = (name, press) => {
      const made = element("button", { type: "button" });
      made.onclick = () => command(...press());
      this.#parts[name] = made;
      return made;
    };
    const pressed = (name) => this.#parts[name].ariaPressed === "true";
    const steps = LAYOUTS.map((name, step) => {
      const made = button(name, () => ["step", step]);
      made.textContent = language.say(name);
      return made;
    });
    return element(
      "div", { class: "buttons" },
      button("hold", () => [pressed("hold") ? "release" : "hold"]),
      button("clear", () => [pressed("clear") ? "show" : "clear"]),
      ...steps,
    );
  }

  /** {state, rehearsal, tally, facts: [texts]}, and an overlay's {step, accept, cleared,
   * refused}. */
  paint({ state, rehearsal, tally, facts, step, accept, cleared, refused = {} }) {
    const language = this.#language;
    const { title, counts, verdict } = this.#parts;
    this.root.dataset.state = state;
    say(this.#parts.state, language.say(`air.${state}`));
    say(this.#parts.rehearsal, rehearsal ? language.say("rehearsal") : "");
    say(title, tally?.title ?? "");
    counts.hidden = !tally;
    for (const vote of VOTES) {
      if (tally) say(this.#numbers.get(vote), language.number(tally.counts[vote]));
    }
    say(verdict, tally?.verdict ? verdictInWords(tally, language).headline : "");
    say(this.#parts.facts, facts.filter(Boolean).join(" · "));
    if (this.#typing === null) return;
    this.#typing.paint(refused);
    const held = state === "HELD" || accept;
    this.#press("hold", held, accept ? "accept" : held ? "release" : "hold");
    this.#press("clear", cleared, cleared ? "show" : "clear");
    LAYOUTS.forEach((name, index) => this.#press(name, step === index, name));
  }

  #press(name, is, word) {
    const button = this.#parts[name];
    button.ariaPressed = String(is);
    say(button, this.#language.say(word));
  }
}
