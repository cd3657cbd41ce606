import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { heartbeat, subscribed, tally, voted, WEB } from "./tally.mjs";

const { Resumer, isNews, isSound, pause } = await import(new URL("resumer.js", WEB));

const held = { seq: 11, reason: "the log cannot be read" };
const kinds = (outputs) => outputs.map(({ kind }) => kind);

/** A resumer of these wishes that has been served at time 0. */
function live(...wishes) {
  const resumer = new Resumer(wishes, 0);
  for (const { id } of resumer.requests(0)) resumer.received(subscribed(id), 0);
  return resumer;
}

const board = () =>
  live(
    { feed: "events", roll_call: "es-11-1", after: 10, epoch: "k3v9" },
    { feed: "tally", roll_call: "es-11-1" },
  );

describe("what is shown", () => {
  test("an older tally, or the same again, is ignored", () => {
    const resumer = board();
    assert.deepEqual(kinds(resumer.received(tally(12), 0)), ["tally"]);
    assert.deepEqual(resumer.received(tally(12), 0), []);
    assert.deepEqual(resumer.received(tally(11), 0), []);
  });

  test("the same seq is news when it becomes held, or is let go", () => {
    const resumer = board();
    resumer.received(tally(12), 0);
    assert.deepEqual(kinds(resumer.received(tally(12, { held }), 0)), ["tally"]);
    assert.equal(resumer.state.name, "held");
    assert.equal(resumer.state.reason, held.reason);
    assert.deepEqual(resumer.received(tally(12, { held }), 0), []);
    assert.deepEqual(kinds(resumer.received(tally(12), 0)), ["tally"]);
    assert.equal(resumer.state.name, "live");
  });

  test("roll calls of one feed do not hide each other", () => {
    const resumer = live({ feed: "tally" });
    resumer.received(tally(12), 0);
    const other = tally(11, { roll_call: "es-11-2" });
    assert.deepEqual(kinds(resumer.received(other, 0)), ["tally"]);
  });

  test("counts that do not add up are never shown", () => {
    const resumer = board();
    const wrong = tally(12, { counts: { yes: 1 } });
    assert.deepEqual(kinds(resumer.received(wrong, 0)), ["reconnect"]);
    assert.equal(isSound({ ...tally(1).counts, yes: -1, not_voting: 194 }), false);
    assert.equal(isSound({ ...tally(1).counts, yes: 0.5, not_voting: 192.5 }), false);
    assert.equal(isSound({ ...tally(1).counts, members: 192 }), false);
    assert.equal(isSound(tally(1).counts), true);
  });

  test("news is judged by seq and by being held", () => {
    assert.equal(isNews(undefined, tally(1)), true);
    assert.equal(isNews({ seq: 2 }, tally(1)), false);
    assert.equal(isNews({ seq: 1, held }, tally(1, { held: { ...held } })), false);
  });
});

describe("events", () => {
  test("come in order, each once", () => {
    const resumer = board();
    assert.deepEqual(kinds(resumer.received(voted(11, "FRA", "yes"), 0)), ["event"]);
    assert.deepEqual(resumer.received(voted(11, "FRA", "yes"), 0), []);
    assert.deepEqual(kinds(resumer.received(voted(12, "FJI", "no"), 0)), ["event"]);
  });

  test("are fetched again from the last one when one is missing", () => {
    const resumer = board();
    resumer.received(voted(11, "FRA", "yes"), 0);
    assert.deepEqual(kinds(resumer.received(voted(13, "FJI", "no"), 0)), ["reconnect"]);
    const [events] = resumer.requests(0);
    assert.deepEqual([events.after, events.epoch], [11, "k3v9"]);
  });

  test("a filtered feed has gaps in seq, none in the roll call's version", () => {
    const resumer = board();
    resumer.received(voted(11, "FRA", "yes"), 0);
    const next = voted(40, "FJI", "no");
    next.event.rollcallversion = 12;
    assert.deepEqual(kinds(resumer.received(next, 0)), ["event"]);
  });

  test("the tally's subscription asks for the state now, without a place", () => {
    const resumer = board();
    resumer.received(tally(12), 0);
    const [, tallies] = resumer.requests(0);
    assert.deepEqual(tallies, {
      op: "subscribe", id: 2, feed: "tally", roll_call: "es-11-1",
    });
  });
});

describe("another epoch", () => {
  test("is a fresh start when the gateway says so", () => {
    const resumer = board();
    resumer.lost(1006, 0);
    resumer.requests(0);
    const frame = subscribed(1, { epoch: "new", recovered: false, reason: "restored" });
    assert.deepEqual(resumer.received(frame, 0), [{ kind: "restart", reason: "restored" }]);
    assert.equal(resumer.state.name, "stale");
  });

  test("is never slipped in by a tally", () => {
    const resumer = board();
    resumer.received(tally(12), 0);
    const stranger = tally(13, { epoch: "new" });
    assert.deepEqual(kinds(resumer.received(stranger, 0)), ["restart"]);
  });

  test("in a heartbeat asks for a new connection, which tells more", () => {
    assert.deepEqual(kinds(board().received(heartbeat(12, "new"), 0)), ["reconnect"]);
  });
});

describe("silence", () => {
  test("of more than twelve seconds is stale, since the last word", () => {
    const resumer = board();
    resumer.received(heartbeat(10), 5_000);
    assert.deepEqual(resumer.tick(17_000), []);
    assert.equal(resumer.state.name, "live");
    assert.deepEqual(kinds(resumer.tick(17_001)), ["reconnect"]);
    assert.deepEqual(resumer.state, { name: "stale", since: 5_000, reason: "silence" });
  });

  test("a lost connection is stale at once, and live when it is served again", () => {
    const resumer = board();
    resumer.lost(1006, 0.5);
    assert.equal(resumer.state.name, "stale");
    const [first, second] = resumer.requests(20_000);
    resumer.received(subscribed(first.id, { recovered: true }), 20_000);
    assert.equal(resumer.state.name, "stale");
    resumer.received(subscribed(second.id), 20_000);
    assert.equal(resumer.state.name, "live");
  });

  test("the number of a result needs no connection: ended ones are not held", () => {
    const resumer = board();
    resumer.received(tally(12, { held, phase: "closed" }), 0);
    assert.equal(resumer.state.name, "live");
  });
});

describe("a head beyond what is shown", () => {
  test("for two seconds on an unfiltered feed is fetched again, once", () => {
    const resumer = live({ feed: "tally" });
    resumer.received(tally(12), 0);
    resumer.received(heartbeat(13), 1_000);
    assert.deepEqual(resumer.tick(3_000), []);
    assert.deepEqual(kinds(resumer.tick(3_001)), ["reconnect"]);
    resumer.received(heartbeat(13), 6_000);
    assert.deepEqual(resumer.tick(9_000), []);
  });

  test("is nothing when the tally comes in time, or the feed is filtered", () => {
    const resumer = live({ feed: "tally" });
    resumer.received(heartbeat(13), 1_000);
    resumer.received(tally(13), 2_000);
    assert.deepEqual(resumer.tick(9_000), []);
    const filtered = board();
    filtered.received(heartbeat(999), 1_000);
    assert.deepEqual(filtered.tick(9_000), []);
  });
});

describe("reconnecting", () => {
  test("is spread over up to thirty seconds, for ever", () => {
    assert.equal(pause(1006, 0, 0.999), 999);
    assert.equal(pause(1006, 3, 1), 8_000);
    assert.equal(pause(1006, 50, 1), 30_000);
    assert.equal(pause(1006, 50, 0), 0);
  });

  test("follows the close code", () => {
    assert.equal(pause(1012, 9, 1), 5_000);
    assert.equal(pause(1013, 0, 0), 10_000);
    assert.equal(pause(4429, 0, 0), 60_000);
    assert.equal(pause(4404, 0, 0.5), null);
  });

  test("begins anew after a subscription that worked", () => {
    const resumer = board();
    resumer.lost(1006, 1);
    resumer.lost(1006, 1);
    assert.equal(resumer.lost(1006, 1), 4_000);
    resumer.received({ op: "caught_up", id: 1, seq: 10 }, 0);
    assert.equal(resumer.lost(1006, 1), 1_000);
  });

  test("is no use when the request itself is refused", () => {
    const resumer = board();
    const problem = { status: 404, detail: "ga has no roll call x" };
    const refused = resumer.received({ op: "error", id: 1, problem }, 0);
    assert.deepEqual(refused, [{ kind: "refused", reason: problem.detail }]);
    const away = resumer.received({ op: "error", problem: { status: 503 } }, 0);
    assert.deepEqual(kinds(away), ["reconnect"]);
  });

  test("frames newer than this page are let pass", () => {
    assert.deepEqual(board().received({ op: "confetti" }, 0), []);
  });
});
