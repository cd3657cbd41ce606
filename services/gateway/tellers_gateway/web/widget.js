// One roll call in somebody else's page, framed (embed.js) or as an element (element/):
// its card, how live it is, that it is a rehearsal, the button that stops it (WCAG 2.2.2)
// and the one region that is read aloud.

import { Announcer } from "./announcer.js";
import { Card } from "./card.js";
import { Delay, handOn } from "./delay.js";
import { element, say } from "./dom.js";
import { Pause } from "./pause.js";
import { ENDED } from "./verdict.js";

const part = (tag, id, more = {}) => element(tag, { id, ...more });

export class Widget {
  #language;
  #base;
  #options;
  #parts;
  #pause;
  #delay;
  #announcer;
  #card = null;
  #shown = null;
  #newest = null;

  /**
   * `root`: filled with it. `options`: `look` of readLook, `base` (the gateway),
   * `current` (whether other roll calls will come), skew() (of the clock, see Delay), and
   * what is told: painted(tally), paused(on).
   */
  constructor(root, language, options) {
    this.#language = language;
    this.#options = options;
    this.#base = options.base;
    this.#parts = this.#build(root);
    this.#delay = new Delay(options.look.delay, options.skew);
    this.#announcer = new Announcer(this.#parts.aloud, language);
    this.#pause = new Pause({
      button: this.#parts.pause,
      words: this.#parts.missed,
      language,
      changed: (on) => {
        if (!on) this.#paint();
        options.paused?.(on);
      },
    });
  }

  #build(root) {
    const { look } = this.#options;
    const text = (key, tag) => element(tag, { textContent: this.#language.say(key) });
    const parts = {
      aloud: part("p", "aloud", { class: "aloud", attributes: { role: "status" } }),
      rehearsal: part("div", "rehearsal", { class: "rehearsal", hidden: true }),
      trouble: part("p", "trouble", { class: "alarm", hidden: true }),
      place: part("ul", "place", { class: "place" }),
      link: part("span", "link"),
      asOf: part("span", "as-of", { class: "figures" }),
      missed: part("p", "missed", { class: "figures", hidden: true }),
      pause: part("button", "pause", { type: "button", hidden: true }),
      home: part("a", "home", {
        target: "_blank", rel: "noopener", hidden: true,
        textContent: this.#language.say("provider"),
      }),
    };
    const { aloud, rehearsal, trouble, place, link, asOf, missed, pause, home } = parts;
    rehearsal.append(text("rehearsal", "strong"), " ", text("not_real", "span"));
    const state = element(
      "p", { class: "link" }, element("span", { class: "dot" }), link, " ", asOf);
    const footer = element(
      "footer", { attributes: { part: "footer" } }, state, missed, pause, home);
    root.append(aloud, rehearsal, trouble, place, footer);
    root.dir = look.dir || this.#language.direction;
    for (const name of ["palette", "symbols", "layout"]) root.dataset[name] = look[name];
    return { root, ...parts };
  }

  take(tally) {
    this.#delay.pass(tally.at, () => this.#due(tally));
  }

  /** The log began anew: nothing of what waits is so. */
  restart() {
    this.#delay.clear();
  }

  /** A tally; while the reader has stopped it, one that is only counted. The first is
   * shown in any case: it changes nothing that is being read. */
  #due(tally) {
    const isNew = this.#newest === null || tally.seq > this.#newest.seq;
    this.#newest = tally;
    if (!this.#pause.on || this.#card === null) this.#paint();
    else if (isNew) this.#pause.miss();
  }

  /** Stop it or let it go on, as the reader does with the button. */
  stop(on) {
    if (on === this.#pause.on) return;
    this.#pause.set(on);
    if (!on) this.#paint();
  }

  linked({ name, since }) {
    const { root, link, trouble } = this.#parts;
    root.dataset.state = name;
    say(link, this.#language.say(`state.${name}`));
    const still = name === "stale" && this.#newest && !ENDED.has(this.#newest.phase);
    const time = still ? this.#language.time(since) : "";
    say(trouble, still ? this.#language.say("stale", { time }) : "");
  }

  /** Whether there is something to see. */
  get isEmpty() {
    return this.#card === null;
  }

  #paint() {
    const tally = this.#newest;
    if (tally === null) return;
    const { rehearsal, asOf, pause, home } = this.#parts;
    this.#paintCard(tally);
    const [chamber, id] = [tally.chamber, tally.roll_call].map(encodeURIComponent);
    const page = `/v/${chamber}/${id}?lang=${this.#language.code}`;
    home.href = new URL(handOn(page, this.#delay.ms), this.#base).href;
    home.hidden = false;
    this.#card.link.href = home.href;
    rehearsal.hidden = !tally.rehearsal;
    const time = this.#language.time(tally.at);
    say(asOf, this.#language.say("as_of", { time }));
    pause.hidden = ENDED.has(tally.phase) && !this.#options.current;
    this.#shown = tally;
    this.#options.painted?.(tally);
  }

  /** Another roll call gets a card of its own: never a morph of one into the other. */
  #paintCard(tally) {
    if (this.#shown?.roll_call === tally.roll_call) {
      this.#card.paint(tally);
      this.#announcer.tell(this.#shown, tally);
      return;
    }
    this.#card = new Card(tally, this.#language);
    this.#card.link.target = "_blank";
    this.#card.link.rel = "noopener";
    this.#parts.place.replaceChildren(this.#card.root);
    if (this.#shown !== null && tally.phase === "open") {
      const { title } = tally;
      this.#announcer.say(this.#language.say("opened_announcement", { title }));
    }
  }
}
