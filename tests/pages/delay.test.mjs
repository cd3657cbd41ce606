import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { WEB } from "./tally.mjs";

const { Delay, readDelay } = await import(new URL("delay.js", WEB));

// Enough that a slow machine does not take one for the other.
const LONG_MS = 600;
const ago = (ms) => new Date(Date.now() - ms).toISOString();

test("at most a minute; what makes no sense is none", () => {
  const read = ["250", "60000", "60001", "-1", "x", "1.5", "", null].map(readDelay);
  assert.deepEqual(read, [250, 60_000, 60_000, 0, 0, 0, 0, 0]);
});

test("without a delay it is done at once", () => {
  const done = [];
  new Delay(0, () => 0).pass(ago(-5_000), () => done.push(1));
  assert.deepEqual(done, [1]);
});

test("what was published long ago is due; with another clock too", () => {
  const done = [];
  new Delay(LONG_MS, () => 0).pass(ago(LONG_MS), () => done.push("same"));
  new Delay(LONG_MS, () => 7_200_000).pass(ago(7_200_000 + LONG_MS), () => done.push("ahead"));
  new Delay(LONG_MS, () => 7_200_000).pass(ago(LONG_MS), () => done.push("too early"));
  assert.deepEqual(done, ["same", "ahead"]);
});

for (const [what, skew, at] of [
  ["published now", 0, () => ago(0)],
  ["of a clock that is not known", null, () => ago(3_600_000)],
  ["from the future", 0, () => ago(-3_600_000)],
  ["without a time", 0, () => undefined],
]) {
  test(`what is ${what} waits the delay, and not longer`, async () => {
    const started = performance.now();
    const took = await new Promise((resolve) => {
      new Delay(LONG_MS, () => skew).pass(at(), () => resolve(performance.now() - started));
    });
    assert.ok(took > LONG_MS - 50, `${took}`);
    assert.ok(took < 5 * LONG_MS, `${took}`);
  });
}

test("the gateway's clock is taken up while it waits", async () => {
  let skew = null;
  const done = new Promise((resolve) => {
    new Delay(60_000, () => skew).pass(ago(60_000), resolve);
  });
  skew = 0;
  await done; // long before its minute
});

test("nothing overtakes what came before it", async () => {
  const done = [];
  const delay = new Delay(LONG_MS, () => 0);
  await new Promise((resolve) => {
    delay.pass(ago(0), () => done.push("first"));
    delay.pass(ago(3_600_000), () => resolve(done.push("second")));
    assert.deepEqual(done, []);
  });
  assert.deepEqual(done, ["first", "second"]);
});

test("what is forgotten never comes", async () => {
  const delay = new Delay(LONG_MS, () => 0);
  delay.pass(ago(0), () => assert.fail("it came"));
  delay.clear();
  await sleep(1.5 * LONG_MS);
});
