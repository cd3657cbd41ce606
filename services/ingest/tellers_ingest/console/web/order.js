// Whom to call next: official order from a drawn delegation, then the second call.

/** Codes in the order they are called. Unknown or no `start`: the official order. */
export function callOrder(codes, start) {
  const at = Math.max(codes.indexOf(start), 0);
  return [...codes.slice(at), ...codes.slice(0, at)];
}

/** Where a call stands. A vote or a skip moves it on; `skipped` is called again. */
export function beginCall(order) {
  return { order, at: 0, skipped: [], round: 1 };
}

/** Who is called now; null when the call is over. */
export const called = (call) => call.order[call.at] ?? null;

/** The call after the one called now answered, or (`skip`) did not. */
export function moveOn(call, skip = false) {
  const code = called(call);
  if (code === null) return call;
  const skipped = skip ? [...call.skipped, code] : call.skipped;
  const next = { ...call, at: call.at + 1, skipped };
  if (called(next) !== null || call.round === 2 || !skipped.length) return next;
  return { order: skipped, at: 0, skipped: [], round: 2 };
}

/** The call with the cursor at this member, if it is in this round. */
export function callAt(call, code) {
  const at = call.order.indexOf(code);
  return at < 0 ? call : { ...call, at };
}

/** The call taken up again after a reload: at the first who has no vote yet. */
export function resumeCall(order, votes) {
  const call = beginCall(order);
  const at = order.findIndex((code) => !votes[code]);
  return { ...call, at: at < 0 ? order.length : at };
}
