// Entries on their way to the log, in order, each with the key that it keeps for good.
//
// An entry is {key, delegation, vote, base}: `vote` null takes it back; `base` is what
// the clerk saw before, so that nobody else's change is written over unseen.

/** A queue; nothing in it is ever changed in place. */
export const empty = { waiting: [], troubles: [] };

/** A vote as the clerk sees it: what waits counts already. Null: none. */
export function seen(queue, votes, delegation) {
  const last = queue.waiting.findLast((entry) => entry.delegation === delegation);
  return last ? last.vote : (votes[delegation] ?? null);
}

/** The queue with one more entry. */
export function enqueue(queue, votes, delegation, vote, key) {
  const base = seen(queue, votes, delegation);
  return { ...queue, waiting: [...queue.waiting, { key, delegation, vote, base }] };
}

/** Whether somebody else wrote what the first entry would write over. */
export function conflicts(entry, votes) {
  const now = votes[entry.delegation] ?? null;
  return now !== entry.base && now !== entry.vote;
}

/**
 * What to do after an attempt to send the first entry.
 * @param {{status: number, code?: string} | null} answer null: the network failed
 * @returns {"done" | "again" | "reload" | "token" | "trouble"} `again` with the same
 *   key; `reload` first reads the roll call anew
 */
export function after(answer) {
  if (answer === null || answer.status >= 500 || answer.status === 429) return "again";
  if (answer.status < 300) return "done";
  if (answer.status === 412) return "reload";
  return answer.status === 401 ? "token" : "trouble";
}

/** The queue without its first entry. */
export const taken = (queue) => ({ ...queue, waiting: queue.waiting.slice(1) });

/** The first entry put aside with the reason why it was not recorded. */
export function putAside(queue, why) {
  const trouble = { ...queue.waiting[0], ...why };
  return { waiting: queue.waiting.slice(1), troubles: [...queue.troubles, trouble] };
}

/** The trouble at this place was seen by the clerk. */
export function dismissed(queue, place) {
  return { ...queue, troubles: queue.troubles.filter((_, at) => at !== place) };
}
