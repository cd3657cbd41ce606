// The one region that a screen reader reads aloud: few, full sentences, never in a rush.

import { milestones } from "./picture.js";
import { countsInWords, verdictInWords } from "./verdict.js";

// How many are recorded is told at most so often, and not at all when it would wait.
const PROGRESS_MS = 15_000;
// A verdict that comes and goes with every vote is told once it has rested.
const VERDICT_MS = 10_000;
const DECISIONS = new Set(["settled", "retracted"]);

export class Announcer {
  #last = -PROGRESS_MS;
  #decidedAt = -VERDICT_MS;
  #newest = null;
  #later = 0;

  constructor(region, language) {
    this.region = region;
    this.language = language;
  }

  /** Say what matters of a change, if anything does. */
  tell(before, after, now = performance.now()) {
    this.#newest = after;
    const found = milestones(before, after);
    if (found.length === 0) return;
    const decides = found.some((name) => DECISIONS.has(name));
    if (found.some((name) => name !== "quarter" && !DECISIONS.has(name))) {
      this.#speak(found, now);
    } else if (decides) {
      const wait = this.#decidedAt + VERDICT_MS - now;
      if (wait <= 0) this.#speak(found, now);
      else this.#later ||= setTimeout(() => this.#speak(found), wait);
    } else if (now - this.#last >= PROGRESS_MS) {
      this.#speak(found, now);
    }
  }

  /** What was found, in a sentence on the newest tally. */
  #speak(found, now = performance.now()) {
    clearTimeout(this.#later);
    this.#later = 0;
    this.#last = now;
    if (found.some((name) => DECISIONS.has(name))) this.#decidedAt = now;
    this.say(this.#sentence(found, this.#newest));
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
