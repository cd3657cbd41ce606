// The dock's form for figures typed by hand. Whether they go on air is decided by the
// overlay; what it refuses stands beside its field, whoever typed it.

import { element, say } from "../dom.js";
import { chip } from "../symbols.js";

// In the order in which they are painted; the first three are needed together.
const FIELDS = { yes: "yes", no: "no", abstain: "abstain", absent: "none" };

export class Typing {
  #language;
  #fields = new Map();

  /** `command(name, data)` tells the overlay. */
  constructor(language, command) {
    this.#language = language;
    const put = element("button", { textContent: language.say("put") });
    const back = element("button", { type: "button", textContent: language.say("back") });
    const lines = Object.entries(FIELDS).map(([name, vote]) => this.#field(name, vote));
    const form = element(
      "form", { autocomplete: "off" }, ...lines,
      element("div", { class: "buttons" }, put, back),
    );
    form.onsubmit = (event) => {
      event.preventDefault();
      command("update", this.#given(({ input }) => input.value));
    };
    back.onclick = () => command("update", this.#given(() => ""));
    const summary = element("summary", { textContent: language.say("typing") });
    this.root = element("details", { class: "typing" }, summary, form);
  }

  #given(value) {
    const entries = [...this.#fields].map(([name, field]) => [name, value(field)]);
    return Object.fromEntries(entries);
  }

  #field(name, vote) {
    const words = this.#language.say(vote === "none" ? "not_voting" : vote);
    const input = element("input", {
      name, inputMode: "numeric", required: name !== "absent",
    });
    const refused = element("span", { class: "refused", hidden: true });
    this.#fields.set(name, { input, refused });
    return element(
      "p", {}, element("label", {}, chip(vote), element("span", { textContent: words }), input),
      refused,
    );
  }

  /** `refused`: {name: {why, value, sum, members}}, an overlay's. */
  paint(refused) {
    for (const [name, field] of this.#fields) {
      const found = refused[name];
      const words = found ? this.#language.say(`refused.${found.why}`, found) : "";
      field.input.ariaInvalid = String(Boolean(found));
      if (words && field.refused.hidden) this.root.open = true;
      say(field.refused, words);
    }
  }
}
