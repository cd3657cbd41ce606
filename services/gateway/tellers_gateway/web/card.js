// One roll call on the index: a card while it runs, the same as a row when it is over.

import { bar } from "./bar.js";
import { element, say } from "./dom.js";
import { isPast } from "./listing.js";
import { dayOf } from "./origin.js";
import { chip } from "./symbols.js";
import { figure, heldInWords, isBlank, silentLabel, verdictInWords } from "./verdict.js";

const COUNTS = [["yes", "yes"], ["no", "no"], ["abstain", "abstain"], ["none", "not_voting"]];

export class Card {
  /** `heading`: the title's element, by its rank in the page. */
  constructor(tally, language, heading = "h3") {
    this.language = language;
    this.where = element("p", { class: "where" });
    this.link = element("a", { dir: "auto" });
    this.phase = element("p", { class: "phase" });
    this.counts = element("dl", { class: "counts figures" });
    this.numbers = new Map();
    this.labels = new Map();
    for (const [kind, name] of COUNTS) {
      const label = element("span");
      const number = element("dd", { class: "number" });
      this.numbers.set(name, number);
      this.labels.set(kind, label);
      const term = element("dt", {}, chip(kind), label);
      this.counts.append(element("div", { data: { vote: kind } }, term, number));
    }
    this.bar = bar(language);
    this.headline = element("p", { class: "headline figures" });
    this.rule = element("p", { class: "rule" });
    this.detail = element("p", { class: "detail figures" });
    const board = element("p", {
      class: "to-board", textContent: language.say("see_board"),
      attributes: { "aria-hidden": "true" },
    });
    this.held = element("p", { class: "alarm", hidden: true });
    this.root = element(
      "li",
      { class: "card", data: { key: `${tally.chamber}/${tally.roll_call}` } },
      element("div", { class: "head" }, this.where, element(heading, { class: "title" }, this.link), this.phase),
      this.held,
      this.counts,
      this.bar.root,
      element("div", { class: "verdict" }, this.rule, this.headline, this.detail),
      board,
    );
    this.paint(tally);
  }

  paint(tally) {
    const { language } = this;
    const { chamber, roll_call: id, phase, verdict, held } = tally;
    const key = `chamber.${chamber}`;
    const parts = [language.has(key) ? language.say(key) : chamber, tally.symbol];
    if (isPast(tally)) parts.push(language.date(dayOf(tally)));
    this.where.replaceChildren(
      ...parts.filter(Boolean).map((text) => element("bdi", { textContent: text })),
    );
    const query = new URLSearchParams(location.search).has("lang")
      ? `?lang=${language.code}` : "";
    // Who was in time for the vote watches the board; who came after reads about it.
    const page = isPast(tally) ? "v" : "board";
    this.link.href =
      `/${page}/${encodeURIComponent(chamber)}/${encodeURIComponent(id)}${query}`;
    this.link.textContent = tally.title;
    this.root.dataset.phase = phase;
    this.root.dataset.status = verdict.status;
    say(this.phase, language.say(`phase.${phase}`));
    for (const [kind, name] of COUNTS) {
      this.numbers.get(name).textContent = figure(tally, name);
      const label = kind === "none" ? silentLabel(phase, language) : language.say(kind);
      this.labels.get(kind).textContent = label;
    }
    this.bar.paint(tally);
    const words = verdictInWords(tally, language);
    say(this.rule, words.rule);
    say(this.headline, [words.headline, words.result].filter(Boolean).join(" "));
    const detail = [words.qualifier, words.path, words.because];
    say(this.detail, detail.filter(Boolean).join(" · "));
    const running = !isPast(tally);
    const why = held && running && !isBlank(tally)
      ? language.say("held", {
          reason: heldInWords(held.reason, language), time: language.time(tally.at),
        })
      : null;
    say(this.held, why && `${language.say("state.held")}: ${why}`);
  }
}
