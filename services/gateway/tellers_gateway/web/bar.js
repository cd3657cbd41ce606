// The counts as one bar: yes, no, abstain, and grey for what is outstanding.

import { element } from "./dom.js";
import { countsInWords } from "./verdict.js";

const SEGMENTS = ["yes", "no", "abstain", "none"];

/** A bar; `paint(tally)` gives it counts. With `mark`, the required yes votes too. */
export function bar(language, { mark = false } = {}) {
  const segments = SEGMENTS.map((kind) =>
    element("span", { class: "segment", data: { vote: kind } }),
  );
  const track = element("span", { class: "track" }, ...segments);
  const root = element("div", { class: "bar", attributes: { role: "img" } }, track);
  const label = element("span", { class: "needed-label" });
  const needle = element("span", { class: "needed" }, label);
  if (mark) root.append(needle);

  function paint(tally) {
    const { counts, verdict } = tally;
    const amounts = [counts.yes, counts.no, counts.abstain, counts.not_voting];
    amounts.forEach((amount, index) => {
      segments[index].style.flexGrow = amount;
      segments[index].hidden = amount === 0;
    });
    const recorded = counts.entitled - counts.not_voting;
    const words = [
      countsInWords(counts, language),
      language.say("recorded_of", { a: recorded, b: counts.entitled }),
    ];
    root.setAttribute("aria-label", words.join("; "));
    // Yes begins at the edge, so it carries when it reaches the mark. With neither yes
    // nor no a majority of those present and voting has no base yet.
    const known = tally.phase !== "annulled" && !tally.imported;
    const shown = counts.yes + counts.no > 0 && known;
    needle.hidden = !shown || verdict.required > counts.entitled;
    if (!needle.hidden) {
      const share = verdict.required / counts.entitled;
      needle.style.insetInlineStart = `${100 * share}%`;
      needle.dataset.side = share > 0.5 ? "start" : "end";
      label.textContent = language.say("needed", { n: verdict.required });
    }
  }

  return { root, paint };
}
