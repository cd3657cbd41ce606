import assert from "node:assert/strict";
import { test } from "node:test";

import { OnAir } from "../../services/gateway/tellers_gateway/web/overlay/onair.js";
import { isOther, readOptions } from "../../services/gateway/tellers_gateway/web/overlay/options.js";
import { readData, sorted } from "../../services/gateway/tellers_gateway/web/overlay/templates.js";

function tally(seq, yes, more = {}) {
  return {
    type: "tally", roll_call: "a", epoch: "e", seq, phase: "open", rehearsal: false,
    counts: { yes, no: 0, abstain: 0, not_voting: 10 - yes, entitled: 10, members: 10 },
    ...more,
  };
}

function live(options = { rollCall: "a" }) {
  const air = new OnAir(options);
  air.linked("live");
  return air;
}

test("nothing is on air before a good tally, whatever the link says", () => {
  const air = live();
  assert.equal(air.frame, null);
  assert.equal(air.state, "EMPTY");
});

test("no older tally replaces a newer one", () => {
  const air = live();
  air.take(tally(5, 3));
  air.take(tally(4, 2));
  assert.equal(air.frame.counts.yes, 3);
});

test("a restored log goes on where it has everything that is shown", () => {
  const air = live();
  air.take(tally(5, 3, { version: 4 }));
  air.take(tally(1, 3, { epoch: "f", version: 4 }));
  assert.deepEqual([air.frame.epoch, air.state], ["f", "LIVE"]);
});

test("where it has less, the number stays until the operator takes the new one", () => {
  const air = live();
  air.take(tally(5, 3, { version: 4 }));
  air.take(tally(9, 1, { epoch: "f", version: 2 }));
  assert.deepEqual([air.frame.counts.yes, air.state, air.reason], [3, "STALE", "restored"]);
  air.release();
  assert.deepEqual([air.frame.counts.yes, air.state], [1, "LIVE"]);
});

test("the vote that is on is followed into a restored log", () => {
  const air = live({});
  air.take(tally(5, 3, { version: 4 }));
  air.take(tally(9, 1, { epoch: "f", version: 2 }));
  assert.equal(air.frame.counts.yes, 1);
});

test("a reload brings back what was there, held and cleared too", () => {
  const before = live();
  before.take(tally(5, 3));
  before.hold();
  before.take(tally(6, 4));
  const after = new OnAir({ rollCall: "a" });
  after.recall(JSON.parse(JSON.stringify(before.memory)));
  assert.deepEqual([after.state, after.frame.counts.yes], ["HELD", 3]);
  after.release();
  assert.equal(after.frame.counts.yes, 4);
  before.clear();
  const cleared = new OnAir({ rollCall: "a" });
  cleared.recall(before.memory);
  assert.equal(cleared.frame, null);
  for (const memory of [
    { latest: null },
    { latest: tally(5, -3) },
    { latest: tally(5, 3, { roll_call: "b" }) },
    { latest: tally(5, 3, { rehearsal: true }) },
  ]) {
    const air = new OnAir({ rollCall: "a" });
    air.recall(memory);
    assert.equal(air.frame, null);
  }
});

test("a lower total with a higher seq is a correction", () => {
  const air = live();
  air.take(tally(5, 3));
  air.take(tally(6, 2));
  assert.equal(air.frame.counts.yes, 2);
});

for (const yes of [-1, 1.5, "3", NaN, null, 11]) {
  test(`figures that cannot be are never painted: ${yes}`, () => {
    const air = live();
    air.take(tally(5, 3));
    air.take(tally(6, yes));
    assert.equal(air.frame.counts.yes, 3);
  });
}

test("a lost link keeps the frame and tells only the operator", () => {
  const air = live();
  air.take(tally(5, 3));
  const before = air.frame;
  air.linked("stale", "silence");
  assert.deepEqual([air.state, air.reason], ["STALE", "silence"]);
  assert.equal(air.frame, before);
});

test("what is held stays whatever comes, release shows the newest", () => {
  const air = live();
  air.take(tally(5, 3));
  air.hold();
  air.take(tally(6, 4));
  assert.deepEqual([air.state, air.frame.counts.yes], ["HELD", 3]);
  air.release();
  assert.deepEqual([air.state, air.frame.counts.yes], ["LIVE", 4]);
});

test("a hold with nothing on air holds nothing", () => {
  const air = live();
  air.hold();
  air.take(tally(6, 4));
  assert.equal(air.frame.counts.yes, 4);
});

test("a rehearsal never comes on air unless it was asked for, and then nothing else", () => {
  const air = live();
  air.take(tally(5, 3, { rehearsal: true }));
  assert.equal(air.frame, null);
  const practice = live({ rollCall: "a", rehearsal: true });
  practice.take(tally(5, 3));
  assert.equal(practice.frame, null);
});

test("another vote never takes the place of the one that was asked for", () => {
  const air = live();
  air.take(tally(5, 3));
  air.take(tally(9, 1, { roll_call: "b" }));
  assert.equal(air.frame.roll_call, "a");
});

test("current: an old result stays until another vote is open, not merely scheduled", () => {
  const air = live({});
  air.take(tally(3, 9, { phase: "closed" }));
  assert.equal(air.frame, null, "a past result does not come up by itself");
  air.take(tally(5, 3));
  air.take(tally(6, 3, { phase: "closed" }));
  assert.equal(air.state, "FINAL");
  air.take(tally(7, 0, { roll_call: "b", phase: "scheduled" }));
  assert.equal(air.frame.roll_call, "a");
  air.take(tally(8, 0, { roll_call: "b" }));
  assert.equal(air.frame.roll_call, "b");
  air.take(tally(4, 9, { roll_call: "c" }));
  assert.equal(air.frame.roll_call, "b", "an older vote that is open does not return");
});

test("current: what was imported from the past is never on air by itself", () => {
  const imported = { voted_on: "1986-11-03" };
  const air = live({});
  air.take(tally(5, 3, { phase: "locked", imported }));
  assert.equal(air.frame, null);
  air.take(tally(6, 3));
  air.take(tally(7, 1, { roll_call: "b", phase: "locked", imported }));
  assert.equal(air.frame.roll_call, "a");
  const asked = live({ rollCall: "a" });
  asked.take(tally(5, 3, { phase: "closed", imported }));
  assert.equal(asked.frame.roll_call, "a", "who asks for it sees it");
});

test("cleared until another vote, or until it is shown again", () => {
  const air = live({});
  air.take(tally(5, 3));
  air.clear();
  air.take(tally(6, 4));
  assert.deepEqual([air.frame, air.state], [null, "EMPTY"]);
  air.show();
  assert.equal(air.frame.counts.yes, 4);
  air.clear();
  air.take(tally(8, 1, { roll_call: "b" }));
  assert.equal(air.frame.roll_call, "b");
});

test("figures typed by hand need all three, and bring no verdict", () => {
  const air = live();
  air.take(tally(5, 3, { verdict: {} }));
  air.override({ yes: "7", no: "2" });
  assert.equal(air.frame.counts.yes, 3);
  air.override({ abstain: "1" });
  assert.deepEqual([air.frame.counts.yes, air.frame.verdict], [7, null]);
  assert.equal(air.frame.counts.not_voting, null);
  air.override({ absent: "0", result: "Adopted" });
  assert.deepEqual([air.frame.counts.not_voting, air.frame.result], [0, "Adopted"]);
  air.override({ yes: "" });
  assert.equal(air.frame.counts.yes, 3);
});

test("what was typed for a vote goes with it when another is on", () => {
  const air = live({});
  air.take(tally(5, 3));
  air.override({ yes: 7, no: 2, abstain: 1, title: "Typed", result: "Adopted" });
  air.take(tally(8, 1, { roll_call: "b", title: "B" }));
  assert.deepEqual([air.frame.title, air.frame.counts.yes], ["B", 1]);
  assert.equal(air.frame.result, undefined);
  air.override({ yes: 9, no: 9, abstain: 9 });
  air.take(tally(9, 2, { roll_call: "c" }));
  assert.deepEqual(air.refused, {});
});

for (const value of [" ", "-7", "1.5", "0x1", "1e1", "٧", "seven", "123456", true, {}]) {
  test(`what is typed is digits or nothing changes: ${JSON.stringify(value)}`, () => {
    const air = live();
    air.take(tally(5, 3));
    const typed = { yes: "4", no: "3", abstain: "2" };
    air.override(typed);
    air.override({ ...typed, no: value, title: "Typed" });
    assert.deepEqual([air.frame.counts.no, air.frame.title], [3, undefined]);
    assert.deepEqual(air.refused, { no: { why: "digits", value: String(value) } });
    air.override({});
    assert.ok(air.refused.no, "an update of options alone changes nothing of it");
    air.override({ no: "1" });
    assert.deepEqual([air.frame.counts.no, air.refused], [1, {}]);
  });
}

test("what is typed is not more than the members together", () => {
  const air = live();
  air.take(tally(5, 3));
  air.override({ yes: "5", no: "3", abstain: "2" });
  assert.equal(air.frame.counts.yes, 5);
  air.override({ absent: "1" });
  assert.deepEqual(
    air.refused, { absent: { why: "sum", value: "1", sum: 11, members: 10 } },
  );
  air.override({ yes: "6" });
  assert.deepEqual([air.frame.counts.yes, air.refused.yes.sum], [5, 11]);
});

test("what was typed before anyone knew the members goes when they are fewer", () => {
  const air = live();
  air.override({ yes: "8", no: "1", abstain: "1" });
  air.take(tally(5, 3));
  assert.equal(air.frame.counts.yes, 8, "all ten of them");
  const other = live();
  other.override({ yes: "8", no: "1", abstain: "2" });
  assert.equal(other.frame.counts.yes, 8, "nobody knows better");
  other.take(tally(5, 3));
  assert.deepEqual([other.frame.counts.yes, other.refused.yes.members], [3, 10]);
});

test("options: unknown values are passed over, the path names the vote", () => {
  const ask = (query, path = "/overlay/sc/r-1", settings) =>
    readOptions(new URLSearchParams(query), path, settings);
  assert.equal(ask("").rollCall, "r-1");
  assert.equal(ask("").chamber, "sc");
  assert.equal(ask("follow=current").rollCall, null);
  assert.equal(ask("", "/overlay/ga/current").rollCall, null);
  assert.equal(ask("layout=sideways").layout, "lower-third");
  assert.equal(ask("layout=bug").layout, "bug");
  assert.equal(ask("delay_ms=999999").delayMs, 60000);
  assert.equal(ask("delay_ms=-1").delayMs, 0);
  assert.equal(ask("delay_ms=x").delayMs, 0);
  assert.equal(ask("chroma=%2300ff00").chroma, "#00ff00");
  assert.equal(ask("chroma=red").chroma, "");
  const file = ask("", "/home/studio/overlay.html", { vote: "r-2", chamber: "sc" });
  assert.deepEqual([file.rollCall, file.chamber], ["r-2", "sc"]);
  assert.equal(ask("vote=r-3", "/x.html", { vote: "r-2" }).rollCall, "r-3");
});

test("what a playout server types beats the address, but for a rehearsal", () => {
  const ask = (typed) => readOptions(
    new URLSearchParams("lang=fr&symbols=1"), "/overlay/ga/r-1", {}, typed,
  );
  const before = ask({});
  const typed = ask({
    vote: "r-2", lang: "", symbols: false, delay_ms: 250, rehearsal: "1", layout: "full",
  });
  assert.deepEqual(
    [typed.rollCall, typed.lang, typed.symbols, typed.delayMs, typed.rehearsal, typed.layout],
    ["r-2", "fr", false, 250, false, "full"],
  );
  assert.equal(ask({ follow: true }).rollCall, null);
  assert.ok(isOther(before, typed));
  assert.ok(!isOther(before, ask({ lang: "ar" })));
});

test("data: JSON, objects, f0.. and SPX's words for empty; nonsense is nothing", () => {
  assert.deepEqual(readData('{"yes":"1"}'), { yes: "1" });
  assert.deepEqual(readData({ f0: "r-1", ccg_f2: "5" }), { vote: "r-1", yes: "5" });
  assert.deepEqual(readData({ yes: "undefined", no: "null" }), {});
  assert.deepEqual(readData({ f8: "3", f9: "Adopted", f99: "theme", delayMs: 5 }), {
    absent: "3", result: "Adopted", delay_ms: 5,
  });
  assert.deepEqual(sorted({ yes: 1, vote: "r", result: "x", lang: "ar" }), {
    shown: { yes: 1, result: "x" }, options: { vote: "r", lang: "ar" },
  });
  for (const given of ["", "nonsense", "[", null, undefined, 5]) {
    assert.deepEqual(readData(given), {});
  }
});
