// How the list of votes is searched and ordered. Pure.

/** Letters without their marks: "cote" finds "Côte d’Ivoire". */
export const plain = (text, code) =>
  text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase(code);

/**
 * The members by `name` as readers of the language look names up, by `time` of their
 * vote (who has none last), or in `official` order, which is how they come.
 */
export function ordered(members, answers, by, code) {
  if (by === "official") return members;
  const { compare } = new Intl.Collator(code);
  const seq = ({ delegation }) => answers.get(delegation)?.seq ?? Infinity;
  const byName = (a, b) => compare(a.name, b.name);
  const byTime = (a, b) => (seq(a) === seq(b) ? byName(a, b) : seq(a) - seq(b));
  return members.toSorted(by === "time" ? byTime : byName);
}
