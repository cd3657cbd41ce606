// Tallies and events for the tests of the pages, as the gateway sends them.

export const WEB = new URL("../../services/gateway/tellers_gateway/web/", import.meta.url);

export function tally(seq, more = {}) {
  const { counts, verdict, ...rest } = more;
  return {
    op: "tally",
    type: "tally",
    chamber: "ga",
    roll_call: "es-11-1",
    title: "Aggression against Ukraine",
    symbol: "A/ES-11/L.1",
    epoch: "k3v9",
    seq,
    version: seq,
    phase: "open",
    rehearsal: false,
    counts: {
      yes: 0, no: 0, abstain: 0, not_voting: 193, entitled: 193, members: 193, ...counts,
    },
    verdict: {
      rule: "two_thirds", status: "pending", required: 1, margin: -1, to_clinch: 129,
      flips: null, because: "0 yes", ...verdict,
    },
    at: "2026-11-23T17:02:41.002Z",
    ...rest,
  };
}

export const voted = (seq, delegation, vote, type = "vote.recorded") => ({
  op: "event",
  seq,
  event: {
    type: `org.tellers.${type}.v1`,
    rollcall: "es-11-1",
    rollcallversion: seq,
    data: { delegation, vote, previous: null },
  },
});

export const subscribed = (id, more = {}) => ({
  op: "subscribed", id, epoch: "k3v9", seq: 10, recovered: null, ...more,
});

export const heartbeat = (seq, epoch = "k3v9") => ({
  op: "heartbeat", epoch, seq, at: "2026-11-23T17:02:45.002Z",
});
