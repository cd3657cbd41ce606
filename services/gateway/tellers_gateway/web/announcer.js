// The one region that a screen reader reads aloud: few, full sentences, never in a rush.

import { milestones } from "./picture.js";
import { countsInWords, verdictInWords } from "./verdict.js";

const PROGRESS_MS = 15_000;

export class Announcer {
  #last = -PROGRESS_MS;

  constructor(region, language) {
    this.region = region;
    this.language = language;
  }

  /** Say what matters of a change, if anything does. */
  tell(before, after, now = performance.now()) {
    const found = milestones(before, after);
    // How many are recorded can wait; what was decided cannot.
    const urgent = found.filter((name) => name !== "quarter");
    if (found.length === 0) return;
    if (urgent.length === 0 && now - this.#last < PROGRESS_MS) return;
    this.#last = now;
    this.say(this.#sentence(found, after));
  }

  say(text) {
    this.region.textContent = text;
  }

  #sentence(found, tally) {
    const { language } = this;
    if (found.includes("opened")) {
      return language.say("opened_announcement", { title: tally.title });
    }
    const { counts } = tally;
    const verdict = verdictInWords(tally, language);
    const recorded = language.say("recorded_of", {
      a: counts.entitled - counts.not_voting,
      b: counts.entitled,
    });
    const parts = [
      [verdict.headline, verdict.qualifier].filter(Boolean).join(", "),
      countsInWords(counts, language),
      ...(tally.phase === "open" ? [recorded] : []),
    ];
    return parts.map((part) => language.say("one_part", { a: part })).join(" ");
  }
}
