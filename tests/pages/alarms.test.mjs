import assert from "node:assert/strict";
import { test } from "node:test";

import { WEB } from "./tally.mjs";

const { Alarms } = await import(new URL("dock/alarms.js", WEB));

const LOST = ["feed closed", "the connection is lost"];
const SILENT = ["k3 silent", "an overlay is silent"];
const seen = (told) => told.map((one) => one.seen);

test("everything that is wrong is told, not only the last of it", () => {
  const told = new Alarms().tell(new Map([LOST, SILENT]));
  assert.deepEqual(told, [
    { key: LOST[0], words: LOST[1], seen: false },
    { key: SILENT[0], words: SILENT[1], seen: false },
  ]);
});

test("an acknowledged alarm stays, calmly, whatever its words become", () => {
  const alarms = new Alarms();
  alarms.tell(new Map([LOST, SILENT]));
  alarms.acknowledge(LOST[0]);
  assert.deepEqual(seen(alarms.tell(new Map([LOST, SILENT]))), [true, false]);
  assert.deepEqual(seen(alarms.tell(new Map([[LOST[0], "since 15:02"]]))), [true]);
});

test("when it comes anew it is an alarm again", () => {
  const alarms = new Alarms();
  alarms.tell(new Map([LOST]));
  alarms.acknowledge(LOST[0]);
  assert.deepEqual(alarms.tell(new Map()), []);
  assert.deepEqual(seen(alarms.tell(new Map([LOST]))), [false]);
});
