// Whom to call next: official order from a drawn delegation, then the second call.

/**
 * Codes in the order they are called: official order, round from `start`, without those
 * that may not vote. Unknown or no `start`: the official order.
 */
export function callOrder(members, entitled, start) {
  const at = Math.max(members.indexOf(start), 0);
  return [...members.slice(at), ...members.slice(0, at)].filter((code) => entitled.includes(code));
}

/**
 * Where a call stands, at the first without a vote. `skipped` did not answer in this
 * round; who has no vote after the first is called again, in the same order.
 */
export function beginCall(order, voted) {
  return resumeCall({ order, at: 0, skipped: [], round: 1 }, voted);
}

/** Who is called now; null when the call is over. */
export const called = (call) => call.order[call.at] ?? null;

const isDue = ({ skipped }, voted) => (code) => !voted(code) && !skipped.includes(code);

/** The call with the cursor where it stands, or at the next who has no vote. */
export function resumeCall(call, voted) {
  const due = isDue(call, voted);
  const at = call.order.findIndex((code, place) => place >= call.at && due(code));
  if (at >= 0) return { ...call, at };
  if (call.round === 2) return { ...call, at: call.order.length };
  return resumeCall({ ...call, at: 0, skipped: [], round: 2 }, voted);
}

/** The call after the one called now answered, or (`skip`) did not. */
export function moveOn(call, voted, skip = false) {
  const code = called(call);
  if (code === null) return call;
  const skipped = skip ? [...new Set([...call.skipped, code])] : call.skipped;
  return resumeCall({ ...call, at: call.at + 1, skipped }, voted);
}

/** The call with the cursor at this member, who may have answered already. */
export function callAt(call, code) {
  const at = call.order.indexOf(code);
  return at < 0 ? call : { ...call, at };
}

/** Who is called after the one called now, at most so many. */
export function coming(call, voted, most) {
  return call.order.slice(call.at + 1).filter(isDue(call, voted)).slice(0, most);
}
