// The button with which a reader stops the updates (WCAG 2.2.2), and the words beside it:
// that they are stopped, and how many changes were missed. What stops is the page's.

import { say } from "./dom.js";

export class Pause {
  on = false;
  #missed = 0;
  #parts;

  /** `changed(on)`: the reader has stopped them, or wants them again. */
  constructor({ button, words, language, changed }) {
    this.#parts = { button, words, language };
    button.addEventListener("click", () => {
      this.set(!this.on);
      changed(this.on);
    });
    this.#paint();
  }

  /** Stop or go on; what is missed is counted from here. */
  set(on) {
    this.on = on;
    this.#missed = 0;
    this.#paint();
  }

  /** There is one more change that is not shown. */
  miss() {
    this.#missed += 1;
    this.#paint();
  }

  #paint() {
    const { button, words, language } = this.#parts;
    button.textContent = language.say(this.on ? "resume" : "pause");
    button.setAttribute("aria-pressed", String(this.on));
    say(words, this.on ? language.say("missed", { n: this.#missed }) : "");
  }
}
