// When a roll call was taken, and, where it was recorded afterwards, from whose data. Pure.

/** The day of the vote: RFC 3339, or a day alone. Lists of the past are sorted by it. */
export const dayOf = (tally) => tally.imported?.voted_on ?? tally.at;

/** "Voted on 3 November 1950 · From the voting data of ...", "" for one taken here. */
export function originInWords({ imported, at }, language) {
  if (!imported) return "";
  const { source, record } = imported;
  const key = `imported.${source}`;
  return [
    language.say("voted_on", { date: language.date(imported.voted_on) }),
    language.say(language.has(key) ? key : "imported.other", { source, record }),
    language.say("imported_recorded", { date: language.date(at) }),
  ].join(" · ");
}
