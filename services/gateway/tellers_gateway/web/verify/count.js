// A second count of a roll call's events, from docs/voting-rules.md and docs/events.md.
// It takes nothing from the tally it is there to check.

import {
  Difference, boolean, exactly, form, listOf, mapOf, natural, object, oneOf, orNull, same,
  text, under, written,
} from "./difference.js";
import {
  because, canTie, carries, flips, isClinched, isMajority, isUnreachable, required, RULES,
  toClinch,
} from "./majority.js";

const code = written("delegation", /^[A-Z]{3}$/);
const vote = oneOf("yes", "no", "abstain");
const figures = { yes: natural, no: natural, abstain: natural };
const counts = object({
  ...figures, not_voting: natural, entitled: natural, members: natural,
});
const inFigures = object({
  fraction: text, of: oneOf("present_and_voting", "members"), strict: boolean,
});

// Where a roll call comes from that was recorded long after it was taken.
const imported = object({
  voted_on: written("day", /^\d{4}-\d{2}-\d{2}$/), session: text, source: text,
  record: text, figures: orNull(object(figures)),
});

function rule(value, at) {
  if (typeof value === "string") {
    oneOf(...RULES)(value, at);
    return;
  }
  inFigures(value, at);
  if (!isMajority(value.fraction, value.strict)) {
    throw new Difference(under(at, "fraction"), value.fraction, form("fraction"));
  }
}

// What each event carries, in which phases it may come, and which phase comes of it.
const KINDS = {
  "roll_call.scheduled": {
    data: object({
      title: text, symbol: orNull(text), rule, members: listOf(code),
      entitled: listOf(code), barred: mapOf(text), permanent: listOf(code),
      called_from: orNull(code), rehearsal: boolean,
      reveal: oneOf("live", "totals_only", "names_after_close", "nothing_until_close"),
    }, { imported }),
    in: ["none"],
    to: "scheduled",
  },
  "roll_call.opened": { data: object({}), in: ["scheduled"], to: "open" },
  "roll_call.locked": { data: object({}), in: ["open"], to: "locked" },
  "roll_call.unlocked": { data: object({}), in: ["locked"], to: "open" },
  "roll_call.rule_changed": {
    data: object({ rule, previous: rule }), in: ["scheduled", "open", "locked"],
  },
  "roll_call.closed": {
    data: object({
      counts, outcome: oneOf("adopted", "rejected", "tied"),
      announced: orNull(object(figures)),
    }),
    in: ["locked"],
    to: "closed",
  },
  "roll_call.annulled": {
    data: object({}), in: ["scheduled", "open", "locked"], to: "annulled",
  },
  "vote.recorded": {
    data: object({ delegation: code, vote, previous: exactly(null) }), in: ["open"],
  },
  "vote.changed": {
    data: object({ delegation: code, vote, previous: vote }), in: ["open"],
  },
  "vote.withdrawn": {
    data: object({ delegation: code, vote: exactly(null), previous: vote }), in: ["open"],
  },
};
const TYPES = new Map(
  Object.entries(KINDS).map(([name, kind]) => [
    `org.tellers.${name}.v1`, { ...kind, name },
  ]),
);

/** The form of an event's data, by the event's type. Throws for a type we do not know. */
export function dataOf(event, at) {
  const kind = TYPES.get(event.type);
  if (kind === undefined) {
    throw new Difference(under(at, "type"), event.type, form("event.type"));
  }
  kind.data(event.data, under(at, "data"));
}

/** Whether an event is a delegation's answer. */
export const isVote = (event) => event.type.startsWith("org.tellers.vote.");

/**
 * What a roll call's events come to, each of a known form: {roll, rule, phase, votes (code
 * to {vote, seq}), counts, verdict}. `at` points to their list. Throws the first
 * Difference: an event out of its phase, by one who may not vote, with another past.
 */
export function recount(events, at = "/events") {
  const state = { phase: "none", votes: new Map() };
  events.forEach((event, index) => {
    const here = under(at, index);
    const kind = TYPES.get(event.type);
    if (!kind.in.includes(state.phase)) {
      throw new Difference(under(here, "type"), event.type, form("phase"));
    }
    take(state, kind.name, event, under(here, "data"));
    state.phase = kind.to ?? state.phase;
  });
  const { roll, votes, phase } = state;
  return {
    roll, votes, phase, rule: state.rule, counts: countsOf(state), verdict: verdictOf(state),
  };
}

function take(state, name, { data, sequence }, at) {
  if (name === "roll_call.scheduled") {
    beSound(data, at);
    state.roll = data;
    state.rule = data.rule;
  } else if (name === "roll_call.rule_changed") {
    same(data.previous, state.rule, under(at, "previous"));
    state.rule = data.rule;
  } else if (name === "roll_call.closed") {
    const counted = countsOf(state);
    same(data.counts, counted, under(at, "counts"));
    same(data.outcome, outcomeOf(state), under(at, "outcome"));
    const { yes, no, abstain } = counted;
    if (data.announced) same(data.announced, { yes, no, abstain }, under(at, "announced"));
  } else if (name.startsWith("vote.")) {
    takeVote(state, name, data, Number(sequence), at);
  }
}

/** A roll of different members; who may vote is one of them, in their order. */
function beSound({ members, entitled, barred, permanent, called_from: first }, at) {
  const place = new Map(members.map((member, index) => [member, index]));
  const refuse = (name, index, found, expected) => {
    throw new Difference(under(under(at, name), index), found, form(expected));
  };
  members.forEach((member, index) => {
    if (place.get(member) !== index) refuse("members", index, member, "once");
  });
  const known = (name, codes) => codes.forEach((member, index) => {
    if (!place.has(member)) refuse(name, index, member, "known");
    if (index > 0 && place.get(codes[index - 1]) >= place.get(member)) {
      refuse(name, index, member, "order");
    }
  });
  known("entitled", entitled);
  for (const member of Object.keys(barred)) {
    if (!place.has(member)) refuse("barred", member, barred[member], "known");
    if (entitled.includes(member)) refuse("barred", member, barred[member], "barred");
  }
  permanent.forEach((member, index) => {
    if (!place.has(member)) refuse("permanent", index, member, "known");
  });
  if (first !== null && !place.has(first)) {
    throw new Difference(under(at, "called_from"), first, form("known"));
  }
}

function takeVote(state, name, { delegation, vote: answer, previous }, seq, at) {
  if (!state.roll.entitled.includes(delegation)) {
    throw new Difference(under(at, "delegation"), delegation, form("entitled"));
  }
  const before = state.votes.get(delegation)?.vote ?? null;
  same(previous, before, under(at, "previous"));
  if (name === "vote.withdrawn") {
    state.votes.delete(delegation);
    return;
  }
  if (answer === before) throw new Difference(under(at, "vote"), answer, form("change"));
  state.votes.set(delegation, { vote: answer, seq });
}

function countsOf({ roll, votes }) {
  const tally = { yes: 0, no: 0, abstain: 0 };
  for (const { vote: answer } of votes.values()) tally[answer] += 1;
  return {
    ...tally,
    not_voting: roll.entitled.length - votes.size,
    entitled: roll.entitled.length,
    members: roll.members.length,
  };
}

function standingOf(state) {
  const { roll, votes, phase } = state;
  const { yes, no, not_voting: missing, members } = countsOf(state);
  const waiting = phase === "scheduled" || phase === "open";
  const among = (test) =>
    roll.permanent.filter((member) => test(votes.get(member)?.vote ?? null)).length;
  const mayVote = roll.permanent.filter((member) => roll.entitled.includes(member));
  return {
    yes, no, members,
    outstanding: waiting ? missing : 0,
    vetoes: among((answer) => answer === "no"),
    agreeing: among((answer) => answer === "yes"),
    silent: waiting ? mayVote.filter((member) => !votes.has(member)).length : 0,
  };
}

function outcomeOf(state) {
  const standing = standingOf(state);
  if (carries(state.rule, standing)) return "adopted";
  const level = standing.yes === standing.no && standing.yes > 0;
  return level && canTie(state.rule) ? "tied" : "rejected";
}

function statusOf(state, standing) {
  const { rule: asked, phase } = state;
  if (phase === "annulled") return "annulled";
  if (phase === "closed") return outcomeOf(state);
  if (isClinched(asked, standing)) return "clinched";
  if (isUnreachable(asked, standing)) return "unreachable";
  if (standing.yes + standing.no === 0) return "pending";
  if (carries(asked, standing)) return "passing";
  return canTie(asked) && standing.yes === standing.no ? "tied" : "failing";
}

function verdictOf(state) {
  const standing = standingOf(state);
  const needed = required(state.rule, standing);
  return {
    rule: state.rule,
    status: statusOf(state, standing),
    required: needed,
    margin: standing.yes - needed,
    to_clinch: toClinch(state.rule, standing),
    flips: flips(state.rule, standing),
    because: because(state.rule, standing),
  };
}
