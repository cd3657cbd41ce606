// Votes out of what a clerk pastes or uploads: a table, or the text of a record.

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

/** What digits mean, in the code books that the clerk may choose; "none": nothing. */
export const BOOKS = {
  none: new Map(),
  voeten: new Map([["1", "yes"], ["2", "abstain"], ["3", "no"], ["8", null]]),
};

/**
 * The text of a file: UTF-8, UTF-16 with or without its mark, else Windows-1252.
 * @param {Uint8Array} bytes
 */
export function decoded(bytes) {
  // What begins with an ASCII letter in UTF-16 has its zero beside it.
  const [one, two] = bytes;
  if ((one === 0xff && two === 0xfe) || (one && two === 0)) return new TextDecoder("utf-16le").decode(bytes);
  if ((one === 0xfe && two === 0xff) || (one === 0 && two)) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/**
 * Lines of `{place, name, vote}` and faults `{place, text}`; place: line number.
 * @param {keyof BOOKS} book what digits mean
 */
export function read(text, book = "none") {
  const votes = new Map([...VOTES, ...BOOKS[book]]);
  return HEADINGS.some(([heading]) => heading.test(text)) ? readRecord(text) : readTable(text, votes);
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

function readTable(text, votes) {
  const lines = text.replace(/^\ufeff/u, "").split(/\r?\n/u);
  const sign = separator(lines.find((line) => line.trim()) ?? "");
  const table = lines
    .map((line, at) => ({ place: at + 1, found: cells(line, sign) }))
    .filter(({ found }) => found.some((cell) => cell));
  const columns = named(table) ?? placed(table, votes);
  if (!columns) return { rows: [], faults: [{ place: 1, text: "noColumns" }] };
  const rows = [], faults = [];
  for (const { place, found } of columns.lines) {
    const said = fold(found[columns.vote] ?? "");
    if (!votes.has(said)) faults.push({ place, text: "badVote" });
    else rows.push({ place, name: found[columns.name] ?? "", vote: votes.get(said) });
  }
  return { rows, faults };
}

/** The columns as the first line names them; null when it is no header. */
function named([first, ...lines]) {
  const header = first?.found.map((name) => name.toLowerCase()) ?? [];
  const vote = header.indexOf("vote");
  const [name] = ["delegation", "iso3", "name"].map((one) => header.indexOf(one)).filter((at) => at >= 0);
  return vote < 0 || name === undefined ? null : { vote, name, lines };
}

/** Two columns without a header, in either order: the votes are where most are votes. */
function placed(lines, votes) {
  if (!lines.length || lines.some(({ found }) => found.length !== 2)) return null;
  const [first, second] = [0, 1].map((column) => lines.filter(({ found }) => found[column] && votes.has(fold(found[column]))).length);
  return first > second ? { vote: 0, name: 1, lines } : { vote: 1, name: 0, lines };
}
