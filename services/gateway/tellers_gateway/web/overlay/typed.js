// What the operator types: it beats the feed, so it is checked as the feed's figures are.
// Pure.

const FIGURES = ["yes", "no", "abstain", "absent"];
// Far above any membership; what follows from it stays a whole number.
const DIGITS = /^\d{1,5}$/;

const isEmpty = (value) => value === null || value === undefined || value === "";
const isFigure = (value) =>
  (typeof value === "string" || typeof value === "number") && DIGITS.test(String(value));

/** What stands when `values` are typed over `before`; an empty one goes back to the feed. */
export function typedOver(before, values) {
  const entries = Object.entries({ ...before, ...values });
  return Object.fromEntries(entries.filter(([, value]) => !isEmpty(value)));
}

/**
 * Why `values` may not go on air, when with them `all` would stand: {name: {why, value,
 * sum, members}}, `why` being "digits" or "sum"; {} when they may. `members`: how many
 * there are, null while nobody knows.
 */
export function refusals(values, all, members) {
  const given = FIGURES.filter((name) => !isEmpty(values[name]));
  const refuse = (names, more) => Object.fromEntries(
    names.map((name) => [name, { value: String(values[name]), ...more }]),
  );
  const bad = given.filter((name) => !isFigure(values[name]));
  if (bad.length > 0) return refuse(bad, { why: "digits" });
  const sum = FIGURES.reduce((before, name) => before + Number(all[name] ?? 0), 0);
  if (members === null || sum <= members) return {};
  return refuse(given, { why: "sum", sum, members });
}

/** The counts they are, or null: yes, no and abstain are shown together or not at all. */
export function countsOf({ yes, no, abstain, absent }) {
  if ([yes, no, abstain].some(isEmpty)) return null;
  const silent = isEmpty(absent) ? null : Number(absent);
  return { yes: Number(yes), no: Number(no), abstain: Number(abstain), not_voting: silent };
}
