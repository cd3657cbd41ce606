// Finding a member by what a clerk types: codes, names in six languages, old names.

/** Names that are taken for each other; Enter never chooses among them by itself. */
const LOOK_ALIKES = [
  ["NER", "NGA"],
  ["GIN", "GNB", "GNQ", "PNG"],
  ["COG", "COD"],
  ["KOR", "PRK"],
  ["DMA", "DOM"],
  ["AUS", "AUT"],
  ["SVK", "SVN"],
  ["IRN", "IRQ"],
  ["MLI", "MWI", "MLT", "MDV"],
  ["MRT", "MUS"],
  ["PRY", "URY"],
  ["KNA", "LCA", "VCT"],
  ["SDN", "SSD"],
];
const MOST = 8;
// Of three letters, one slip makes anything of anything.
const SHORTEST = 4;

/** Text without case, accents and punctuation; words parted by one space. */
export function fold(text) {
  return text
    .normalize("NFKD")
    .toLowerCase()
    .replace(/\p{M}/gu, "")
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

/** Members ready to be searched: each `{code, iso2, names: [...]}` with folded names. */
export function indexed(members) {
  return members.map((member) => ({
    member,
    codes: [member.code, member.iso2].map((code) => code.toLowerCase()),
    names: member.names.map(fold),
  }));
}

function grade({ codes, names }, query) {
  if (codes.includes(query)) return 0;
  if (names.includes(query)) return 1;
  if (names.some((name) => name.startsWith(query))) return 2;
  if (names.some((name) => name.includes(` ${query}`))) return 3;
  return null;
}

/** The members that match, best first, in official order among equals; at most 8. */
export function find(index, text) {
  const query = fold(text);
  if (!query) return [];
  return index
    .map((entry) => ({ member: entry.member, grade: grade(entry, query) }))
    .filter((found) => found.grade !== null)
    .sort((one, other) => one.grade - other.grade)
    .slice(0, MOST)
    .map((found) => found.member);
}

/**
 * Members with a name, or a word of one, that is one slip away: a letter wrong, missing,
 * too many, or two in the wrong order. Only ever to be suggested.
 */
export function nearest(index, text) {
  const query = fold(text);
  if (query.length < SHORTEST) return [];
  const near = ({ names }) => names.some((name) => [name, ...name.split(" ")].some((word) => isOneSlip(query, word)));
  return index.filter(near).slice(0, MOST).map(({ member }) => member);
}

function isOneSlip(one, other) {
  const [short, long] = one.length <= other.length ? [one, other] : [other, one];
  if (long.length - short.length > 1) return false;
  let at = 0;
  while (at < short.length && short[at] === long[at]) at += 1;
  if (long.length > short.length) return short.slice(at) === long.slice(at + 1);
  const rest = (text, from) => text.slice(at + from);
  const swapped = short[at] === long[at + 1] && short[at + 1] === long[at] && rest(short, 2) === rest(long, 2);
  return swapped || rest(short, 1) === rest(long, 1);
}

/** Where Enter points before an arrow was used: 0, or -1 for nowhere. */
export function preselected(found) {
  if (!found.length) return -1;
  const group = LOOK_ALIKES.find((codes) => codes.includes(found[0].code)) ?? [];
  const confusable = found.filter((member) => group.includes(member.code));
  return confusable.length > 1 ? -1 : 0;
}
