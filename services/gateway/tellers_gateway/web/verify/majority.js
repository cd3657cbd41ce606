// Required majorities, from the rules of procedure (docs/voting-rules.md). What a few more
// or a few turned votes would do is tried, vote by vote, not solved: slower, plainer.
//
// A standing is {yes, no, outstanding, members} and of the permanent members {vetoes,
// silent, agreeing}: how many are against, outstanding, in favour.

const NAMED = {
  simple: ["1/2", "present_and_voting", true],
  two_thirds: ["2/3", "present_and_voting", false],
  three_fifths: ["3/5", "present_and_voting", false],
  three_quarters: ["3/4", "present_and_voting", false],
  unanimous: ["1/1", "present_and_voting", false],
  absolute: ["1/2", "members", true],
  two_thirds_of_members: ["2/3", "members", false],
};
const COUNCIL = "security_council";
const NINE = 9;
const MOST = 1000; // the largest denominator

export const RULES = [...Object.keys(NAMED), COUNCIL];

/** Whether a fraction "p/q" can be a majority; strictly more than all cannot be reached. */
export function isMajority(fraction, strict) {
  const [, p, q] = /^([0-9]{1,4})\/([0-9]{1,4})$/.exec(fraction)?.map(Number) ?? [];
  return p >= 1 && p <= q && q <= MOST && !(strict && p === q);
}

function parts(rule) {
  const [fraction, of, strict] =
    typeof rule === "string" ? NAMED[rule] : [rule.fraction, rule.of, rule.strict];
  const [p, q] = fraction.split("/").map(Number);
  return { p, q, of, strict };
}

/** Whether it carries if everybody has answered who answers. */
export function carries(rule, standing) {
  const { yes, no, members } = standing;
  if (rule === COUNCIL) return yes >= NINE && standing.vetoes === 0;
  const { p, q, of, strict } = parts(rule);
  const [left, right] = of === "members" ? [q * yes, p * members] : [(q - p) * yes, p * no];
  return yes >= 1 && (strict ? left > right : left >= right);
}

/** `to` more yes and no from those who are outstanding. */
const answered = (standing, { yes = 0, no = 0 }) => ({
  ...standing,
  yes: standing.yes + yes,
  no: standing.no + no,
  outstanding: standing.outstanding - yes - no,
});

/** Whether no missing answer can undo it: all of them no, from the permanent first. */
export function isClinched(rule, standing) {
  const worst = answered(standing, { no: standing.outstanding });
  return carries(rule, { ...worst, vetoes: standing.vetoes + standing.silent });
}

/** Whether no missing answer can carry it any more. */
export const isUnreachable = (rule, standing) =>
  !carries(rule, answered(standing, { yes: standing.outstanding }));

/** Whether yes and no can be level, so that rule 95 asks for a second vote. */
export function canTie(rule) {
  if (rule === COUNCIL) return false;
  const { p, q, of, strict } = parts(rule);
  return of === "present_and_voting" && strict && 2 * p === q;
}

/** Yes votes needed against the present yes and no, or of all members; at least one. */
export function required(rule, { yes, no, members }) {
  if (rule === COUNCIL) return NINE;
  const { p, q, of, strict } = parts(rule);
  const base = of === "members" ? members : yes + no;
  const least = strict ? Math.floor((p * base) / q) + 1 : Math.ceil((p * base) / q);
  return Math.max(1, least);
}

/** The least number of further yes votes that clinch it, or null. */
export function toClinch(rule, standing) {
  for (let more = 0; more <= standing.outstanding; more += 1) {
    // Permanent members first: each that stays silent could still object.
    const silent = Math.max(0, standing.silent - more);
    if (isClinched(rule, { ...answered(standing, { yes: more }), silent })) return more;
  }
  return null;
}

/** The least number of turned votes that turn it if it ends now, or null. */
export function flips(rule, standing) {
  const carried = carries(rule, standing);
  const most = carried ? standing.yes : standing.no;
  for (let turned = 1; turned <= most; turned += 1) {
    const by = carried ? -turned : turned;
    // Those of permanent members first: they weigh most.
    const vetoes = carried
      ? standing.vetoes + Math.min(turned, standing.agreeing)
      : Math.max(0, standing.vetoes - turned);
    const after = { ...standing, yes: standing.yes + by, no: standing.no - by, vetoes };
    if (carries(rule, after) !== carried) return turned;
  }
  return null;
}

const sum = (a, b) => (b > 0 ? `${a} + ${b}` : `${a}`);
const times = (factor, term) => {
  if (factor === 1) return term;
  return term.includes("+") ? `${factor} x (${term})` : `${factor} x ${term}`;
};

/** The inequality in figures, with those outstanding where they do not matter any more. */
export function because(rule, standing) {
  const carried = carries(rule, standing);
  const left = sum(standing.yes, isUnreachable(rule, standing) ? standing.outstanding : 0);
  if (rule === COUNCIL) return becauseOfTheCouncil(left, carried, standing);
  if (left === "0") return "0 yes";
  const { p, q, of, strict } = parts(rule);
  if (of === "members") {
    return `${left} ${carried ? ">=" : "<"} ${required(rule, standing)}`;
  }
  const right = sum(standing.no, isClinched(rule, standing) ? standing.outstanding : 0);
  const [p1, q1] = lowest(p, q - p);
  if (q1 === 0) return `${right} against`;
  const sign = carried ? (strict ? ">" : ">=") : strict ? "<=" : "<";
  return `${times(q1, left)} ${sign} ${times(p1, right)}`;
}

function becauseOfTheCouncil(left, carried, { vetoes, silent }) {
  if (vetoes > 0) return `${vetoes} permanent against`;
  if (!carried) return `${left} < ${NINE}`;
  const permanent = silent > 0 ? `${silent} permanent outstanding` : "no permanent against";
  return `${left} >= ${NINE}, ${permanent}`;
}

/** Two factors without what they have in common. */
function lowest(a, b) {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return [a / x, b / x];
}
