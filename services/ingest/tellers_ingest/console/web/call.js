// Roll-call mode: whom it calls now. Kept in this tab, so that after a reload it goes on
// at the same member and knows who did not answer.

import { desk, roll } from "./desk.js";
import * as calls from "./order.js";
import * as lines from "./queue.js";

const place = () => `tellers.call.${desk.sender.path}`;

/** What waits counts already. */
export const voted = (code) => lines.seen(desk.sender.queue, roll().votes, code) !== null;

function keep(call, on = true) {
  desk.call = on ? call : null;
  desk.current = desk.call && calls.called(desk.call);
  sessionStorage.setItem(place(), JSON.stringify({ call, on }));
}

const kept = () => JSON.parse(sessionStorage.getItem(place()));

/** Back at the desk: the call goes on, if it was on. */
export function restoreCall() {
  const { call, on } = kept() ?? {};
  if (on && roll().phase === "open") keep(calls.resumeCall(call, voted));
}

/** The call that was left and is not over; null: one would begin. */
export function leftCall() {
  const { call } = kept() ?? {};
  const resumed = call && calls.resumeCall(call, voted);
  return resumed && calls.called(resumed) ? resumed : null;
}

export const startCall = (call) => keep(call);
export const newCall = (start) => calls.beginCall(calls.callOrder(desk.members.map(({ code }) => code), roll().entitled, start), voted);
export const stopCall = () => keep(desk.call, false);

/** To the next, or to this member. */
export const callNext = (skip) => keep(calls.moveOn(desk.call, voted, skip));
export const callMember = (code) => keep(calls.callAt(desk.call, code));
