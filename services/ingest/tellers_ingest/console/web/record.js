// The record of a vote as text, and what recording it would do. Nothing is sent here.

import { fold } from "./search.js";

// The headings of a record of vote in the six languages.
const HEADINGS = [
  [/(?:in\s+favou?r|votent\s+pour|votos\s+a\s+favor|голосовали\s+за|المؤيدون|赞成)\s*[:：]/iu, "yes"],
  [/(?:against|votent\s+contre|votos\s+en\s+contra|голосовали\s+против|المعارضون|反对)\s*[:：]/iu, "no"],
  [/(?:abstain(?:ing|ed)|s[’']abstiennent|abstenciones|воздержались|الممتنعون|弃权)\s*[:：]/iu, "abstain"],
];
// Words of a vote in the six languages; the code books 1/2/3/8 are nobody's to guess.
const VOTES = new Map(
  Object.entries({
    yes: ["yes", "y", "for", "in favour", "oui", "pour", "si", "a favor", "да", "за", "نعم", "مؤيد", "赞成"],
    no: ["no", "n", "against", "non", "contre", "en contra", "нет", "против", "لا", "معارض", "反对"],
    abstain: [
      "abstain", "a", "abstaining", "abstention", "abstencion", "воздержался",
      "воздержалась", "ممتنع", "弃权",
    ],
    absent: ["absent", "x", "", "not voting", "ausente", "отсутствует", "غائب", "缺席"],
  }).flatMap(([vote, said]) => said.map((word) => [fold(word), vote === "absent" ? null : vote])),
);

/** Lines of `{place, name, vote}` and faults `{place, text}`; place: line number. */
export function read(text) {
  return HEADINGS.some(([heading]) => heading.test(text)) ? readRecord(text) : readCsv(text);
}

function readRecord(text) {
  const found = HEADINGS.flatMap(([heading, vote]) => {
    return [...text.matchAll(new RegExp(heading, "giu"))].map((match) => ({
      vote, from: match.index, to: match.index + match[0].length,
    }));
  }).sort((one, other) => one.from - other.from);
  const rows = found.flatMap(({ vote, to }, at) => {
    const part = text.slice(to, found[at + 1]?.from);
    let offset = to;
    return part.split(/[,;，、،]/u).map((piece) => {
      const place = text.slice(0, offset + piece.search(/\S|$/u)).split("\n").length;
      offset += piece.length + 1;
      return { place, name: piece.replace(/\s+/gu, " ").trim().replace(/[.。]$/u, ""), vote };
    });
  });
  return { rows: rows.filter((row) => row.name && !/^(?:none|néant|ninguno|ninguna|нет|无|無|لا أحد)$/iu.test(row.name)), faults: [] };
}

/** What parts the cells: the sign that the header has most of. */
function separator(header) {
  const counts = ["\t", ";", ","].map((sign) => header.split(sign).length);
  return ["\t", ";", ","][counts.indexOf(Math.max(...counts))];
}

function cells(line, sign) {
  const pattern = new RegExp(`(?:^|${sign})(?:"((?:[^"]|"")*)"|([^${sign}]*))`, "gu");
  return [...line.matchAll(pattern)].map((match) =>
    (match[1]?.replaceAll('""', '"') ?? match[2] ?? "").trim(),
  );
}

function readCsv(text) {
  const [first = "", ...lines] = text.replace(/^\ufeff/u, "").split(/\r?\n/u);
  const sign = separator(first);
  const header = cells(first, sign).map((name) => name.toLowerCase());
  const vote = header.indexOf("vote");
  const names = ["delegation", "iso3", "name"].map((name) => header.indexOf(name));
  const name = names.find((column) => column >= 0) ?? -1;
  if (vote < 0 || name < 0) {
    return { rows: [], faults: [{ place: 1, text: "noHeader" }] };
  }
  const rows = [], faults = [];
  lines.forEach((line, at) => {
    if (!line.trim()) return;
    const found = cells(line, sign);
    const said = fold(found[vote] ?? "");
    const place = at + 2;
    if (!VOTES.has(said)) faults.push({ place, text: "badVote" });
    else rows.push({ place, name: found[name] ?? "", vote: VOTES.get(said) });
  });
  return { rows, faults };
}

/**
 * What recording the rows would do.
 * @param {Map<string, string[]>} codes folded names and codes, with whom they may mean
 * @returns {{votes: {delegation, vote}[], faults: {place, text, name?}[],
 *   conflicts: {delegation, vote, recorded}[], after: object}} with any fault,
 *   nothing may be sent
 */
export function dryRun({ rows, faults }, codes, entitled, recorded) {
  const bad = [...faults], votes = [], met = new Set();
  for (const { place, name, vote } of rows) {
    const meant = codes.get(fold(name)) ?? [];
    const [code] = meant;
    const text =
      meant.length === 0 ? "unknown"
      : meant.length > 1 ? "ambiguous"
      : met.has(code) ? "duplicate"
      : vote !== null && !entitled.includes(code) ? "notEntitled"
      : null;
    met.add(code);
    if (text) bad.push({ place, text, name });
    else if (vote !== null) votes.push({ delegation: code, vote });
  }
  const conflicts = votes
    .filter(({ delegation, vote }) => (recorded[delegation] ?? vote) !== vote)
    .map((entry) => ({ ...entry, recorded: recorded[entry.delegation] }));
  const after = { ...recorded };
  for (const { delegation, vote } of votes) after[delegation] = vote;
  bad.sort((one, other) => one.place - other.place);
  return { votes, faults: bad, conflicts, after: totals(after) };
}

/** How many said what. */
export function totals(votes) {
  const counts = { yes: 0, no: 0, abstain: 0 };
  for (const vote of Object.values(votes)) if (vote in counts) counts[vote] += 1;
  return counts;
}

/** Folded names and codes, with the codes of whom they may mean. */
export function codesByName(members) {
  const codes = new Map();
  for (const { code, names } of members) {
    for (const name of [code, ...names]) {
      const key = fold(name);
      codes.set(key, [...new Set([...(codes.get(key) ?? []), code])]);
    }
  }
  return codes;
}
