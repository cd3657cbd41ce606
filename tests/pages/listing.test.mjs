import assert from "node:assert/strict";
import { test } from "node:test";
import { tally, WEB } from "./tally.mjs";

const { Listing } = await import(new URL("listing.js", WEB));
const named = (roll_call, seq, phase, more = {}) => tally(seq, { roll_call, phase, ...more });

test("what runs comes first, then what is announced; the rest is past", () => {
  const listing = new Listing();
  listing.take(named("announced", 9, "scheduled"));
  listing.take(named("running", 5, "open"));
  listing.take(named("old", 3, "closed", { at: "2026-11-01T00:00:00.000Z" }));
  listing.take(named("newer", 4, "annulled", { at: "2026-11-02T00:00:00.000Z" }));
  assert.deepEqual(listing.now, ["ga/running", "ga/announced"]);
  assert.deepEqual(listing.past, ["ga/newer", "ga/old"]);
});

test("an older tally never replaces a newer one", () => {
  const listing = new Listing();
  listing.take(named("x", 9, "closed"));
  assert.equal(listing.take(named("x", 8, "open")), null);
  assert.equal(listing.get("ga/x").phase, "closed");
});

test("rehearsals are not listed, chambers do not mix", () => {
  const listing = new Listing();
  assert.equal(listing.take(named("x", 1, "open", { rehearsal: true })), null);
  listing.take(named("x", 1, "open"));
  listing.take(named("x", 1, "open", { chamber: "sc" }));
  listing.forget("ga");
  assert.deepEqual(listing.now, ["sc/x"]);
});

const imported = (voted_on) => ({
  imported: { voted_on, session: "", source: "undl", record: "1", figures: null },
});

test("the past is in order of the days of the votes, whenever they were recorded", () => {
  const listing = new Listing();
  listing.take(named("today", 3, "closed", { at: "2026-11-01T00:00:00.000Z" }));
  listing.take(named("old", 9, "closed", imported("1950-11-03")));
  listing.take(named("newer", 8, "closed", imported("1986-11-03")));
  assert.deepEqual(listing.past, ["ga/today", "ga/newer", "ga/old"]);
});

test("one of the past that could not be closed is past all the same", () => {
  const listing = new Listing();
  listing.take(named("differs", 9, "locked", imported("1950-11-03")));
  assert.deepEqual(listing.now, []);
  assert.deepEqual(listing.past, ["ga/differs"]);
});
