// What recording the votes of an import would do. Nothing is sent here.

import { fold } from "./search.js";

/**
 * What recording the rows would do.
 * @param {Map<string, string[]>} codes folded names and codes, with whom they may mean
 * @returns {{votes: {delegation, vote}[], faults: {place, text, name?}[],
 *   conflicts: {delegation, vote, recorded}[], after: object}} with any fault,
 *   nothing may be sent; a conflict with `vote` null changes nothing, since who is
 *   absent in an import is not recorded
 */
export function dryRun({ rows, faults }, codes, entitled, recorded) {
  const bad = [...faults], votes = [], conflicts = [], met = new Set();
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
    if (text) {
      bad.push({ place, text, name });
      continue;
    }
    const now = recorded[code] ?? null;
    if (now !== null && now !== vote) conflicts.push({ delegation: code, vote, recorded: now });
    if (vote !== null) votes.push({ delegation: code, vote });
  }
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
