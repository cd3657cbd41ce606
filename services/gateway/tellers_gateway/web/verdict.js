// A tally's verdict in words: the rule, where it stands, what it would take. Pure.

/** The phases after which no vote comes. */
export const ENDED = new Set(["closed", "annulled"]);

/** A text that leaves its page (a title): that of a rehearsal says first that it is one. */
export function marked(text, { rehearsal }, language) {
  if (!rehearsal) return text;
  return [language.say("rehearsal").toUpperCase(), language.say("not_real"), text].join(" · ");
}

/** The required majority: "Two thirds of those present and voting". */
export function ruleInWords(rule, language) {
  if (typeof rule === "string") {
    return language.has(`rule.${rule}`) ? language.say(`rule.${rule}`) : rule;
  }
  const strict = rule.strict ? ".strict" : "";
  return language.say(`rule.${rule.of}${strict}`, { f: rule.fraction });
}

/** Whether its figures are no votes: a reveal policy tells none before it is closed. */
export const isBlank = (tally) => tally.withheld === "nothing_until_close";

/** A count as it is shown; "–" for one that is not told. */
export const figure = (tally, name) => (isBlank(tally) ? "–" : tally.counts[name]);

/** yes-no-abstain, as they are proclaimed. */
export const figures = ({ yes, no, abstain }) => `${yes}-${no}-${abstain}`;

/** "141 in favour, 5 against, 35 abstentions", for reading aloud. */
export function countsInWords({ yes, no, abstain }, language) {
  return language.say("counts", {
    yes: language.say("in_favour", { n: yes }),
    no: language.say("against", { n: no }),
    abstain: language.say("abstentions", { n: abstain }),
  });
}

/** What keeps a roll call of the past from being closed: its source says otherwise. */
function differing(said, language) {
  return language.say("imported_differs", { figures: said ? figures(said) : "–" });
}

/**
 * {rule, headline, result, qualifier, path, because, firmness}: texts, or "" where there
 * is nothing to say. Result (the figures) and qualifier belong to the headline.
 */
export function verdictInWords(tally, language) {
  const { verdict, counts, phase } = tally;
  const rule = ruleInWords(verdict.rule, language);
  const texts = {
    rule: tally.imported ? language.say("rule_assumed", { rule }) : rule,
    headline: headline(tally, language),
    result: "",
    qualifier: "",
    path: "",
    because: "",
    firmness: "",
  };
  if (phase === "annulled" || phase === "scheduled") return texts;
  if (isBlank(tally)) return { ...texts, headline: "–", path: heldInWords(tally.held?.reason, language) };
  if (phase === "closed") {
    texts.result = isolate(figures(counts), language);
    if (tally.imported) return texts; // how many it took is assumed too
    texts.qualifier =
      verdict.status === "tied"
        ? language.say("second_vote")
        : language.say("required", { n: verdict.required });
    return texts;
  }
  if (tally.imported) {
    texts.qualifier = differing(tally.imported.figures, language);
    return texts;
  }
  const settled = verdict.status === "clinched" || verdict.status === "unreachable";
  if (settled) {
    texts.qualifier = language.say(phase === "locked" ? "unannounced" : "unless");
    texts.because = becauseInWords(verdict.because, language);
    if (phase === "open" && verdict.flips !== null && verdict.status === "clinched") {
      texts.firmness = language.say("flips", { n: verdict.flips });
    }
    return texts;
  }
  const { to_clinch: more } = verdict;
  const parts = [language.say("left", { n: counts.not_voting })];
  if (more !== null && more > 0) parts.unshift(language.say("more", { n: more }));
  texts.path = language.say(parts.length === 2 ? "two_parts" : "one_part", {
    a: sentence(parts[0]),
    b: parts[1] ?? "",
  });
  return texts;
}

/** Begun as a sentence is: in Russian not every one begins with a figure. */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function headline({ verdict, phase }, language) {
  const { status } = verdict;
  if (phase === "scheduled") return language.say("status.scheduled");
  if (phase === "locked") {
    if (status === "clinched") return language.say("status.carried");
    if (status === "unreachable") return language.say("status.not_carried");
  }
  if (phase === "closed" && status === "tied") return language.say("status.tied_result");
  return language.say(`status.${status}`);
}

function isolate(text, language) {
  return language.direction === "rtl" ? `\u2066${text}\u2069` : text;
}

// The inequalities of the gateway are figures; those of the Council have words in them.
const WORDED = [
  [/^(\d+) permanent against$/, "because.veto", ([, n]) => ({ n: Number(n) })],
  [/^(\d+) >= 9, no permanent against$/, "because.no_veto", ([, n]) => ({ n: Number(n) })],
  [/^(\d+) >= 9, (\d+) permanent outstanding$/, "because.silent",
    ([, yes, n]) => ({ yes, n: Number(n) })],
  [/^0 yes$/, "in_favour", () => ({ n: 0 })],
  [/^(\d+(?: \+ \d+)?) against$/, "because.against", ([, a]) => ({ a })],
];

/** `112 >= 2 x (4 + 52)` as one writes it. */
export function becauseInWords(because, language) {
  for (const [pattern, key, values] of WORDED) {
    const found = pattern.exec(because);
    if (found) return language.say(key, values(found));
  }
  const written = because
    .replaceAll(" x ", " × ").replaceAll(">=", "≥").replaceAll("<=", "≤");
  return isolate(written, language);
}

/** What was taken back, and by what; `nameOf` gives a delegation's name. */
export function retractionInWords({ was, cause }, nameOf, language) {
  const what = language.say(`retracted.${was}`);
  const [event, detail = ""] = cause.split(" ");
  const key = `cause.${event}`;
  if (!language.has(key)) return language.say("one_part", { a: what });
  const why = language.say(key, { name: nameOf(detail) });
  return language.say("because_of", { what, why });
}

/** Why a tally is held, if we know the reason in this language. */
export function heldInWords(reason, language) {
  const key = `held.${reason}`;
  return language.has(key) ? language.say(key) : reason;
}

/** The label of the members without an answer: it depends on whether they still may. */
export function silentLabel(phase, language) {
  const over = phase === "locked" || ENDED.has(phase);
  return language.say(over ? "not_voting" : "not_recorded");
}
