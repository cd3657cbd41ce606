import assert from "node:assert/strict";
import { test } from "node:test";
import { tally, voted, WEB } from "./tally.mjs";

const { Picture, milestones, retraction } = await import(new URL("picture.js", WEB));

const names = ["FJI", "FRA", "NOR"];
const counts = (yes, no, abstain) => ({
  yes, no, abstain, not_voting: 3 - yes - no - abstain, entitled: 3, members: 4,
});

function picture() {
  return new Picture({
    ...tally(4, { counts: counts(1, 0, 0) }),
    members: [...names, "VEN"].map((code) => ({
      delegation: code, name: code, entitled: code !== "VEN",
    })),
    votes: [{ delegation: "FJI", vote: "yes", seq: 3, changed: true }],
    not_voting: ["FRA", "NOR"],
    barred: { VEN: "Article 19" },
  });
}

const lights = (shown) => Object.fromEntries(
  [...shown.lamps].map(([code, { vote, changed }]) => [code, changed ? `${vote}*` : vote]),
);

test("opened in the middle of a vote it shows what was cast before", () => {
  const shown = picture();
  assert.deepEqual(lights(shown), { FJI: "yes*", FRA: "none", NOR: "none", VEN: "barred" });
  assert.equal(shown.agrees, true);
});

test("a lamp waits until the tally has counted it", () => {
  const shown = picture();
  shown.takeEvent(voted(5, "FRA", "no").event);
  shown.takeEvent(voted(6, "NOR", "abstain").event);
  assert.deepEqual([...shown.settle()], []);
  shown.takeTally(tally(5, { counts: counts(1, 1, 0) }));
  assert.deepEqual([...shown.settle()], ["FRA"]);
  assert.deepEqual([lights(shown).FRA, lights(shown).NOR], ["no", "none"]);
  assert.equal(shown.agrees, true);
});

test("an event that the snapshot knows already changes nothing", () => {
  const shown = picture();
  shown.takeEvent(voted(3, "FJI", "no").event);
  shown.takeTally(tally(5, { counts: counts(1, 0, 0) }));
  assert.deepEqual([...shown.settle()], []);
});

test("a changed vote is marked, a withdrawn one goes dark", () => {
  const shown = picture();
  shown.takeEvent(voted(5, "FRA", "no").event);
  shown.takeEvent(voted(6, "FRA", "yes", "vote.changed").event);
  shown.takeEvent(voted(7, "FJI", null, "vote.withdrawn").event);
  shown.takeTally(tally(7, { counts: counts(1, 0, 0) }));
  shown.settle();
  assert.deepEqual([lights(shown).FRA, lights(shown).FJI], ["yes*", "none"]);
  assert.equal(shown.agrees, true);
});

test("lamps that do not add up to the counts are noticed", () => {
  const shown = picture();
  shown.takeEvent(voted(5, "FRA", "no").event);
  shown.takeTally(tally(5, { counts: counts(2, 0, 0) }));
  shown.settle();
  assert.equal(shown.agrees, false);
});

test("a retraction stays until the matter is settled again", () => {
  const clinched = tally(5, { verdict: { status: "clinched" } });
  const told = { was: "clinched", seq: 6, cause: "vote.changed FRA" };
  const undone = tally(6, { verdict: { status: "passing", retracted: told } });
  const later = tally(7, { verdict: { status: "passing" } });
  assert.equal(retraction(clinched, undone, null), told);
  assert.equal(retraction(undone, later, told), told);
  assert.equal(retraction(later, tally(8, { verdict: { status: "clinched" } }), told), null);
  const over = tally(8, { phase: "closed", verdict: { status: "adopted" } });
  assert.equal(retraction(later, over, told), null);
});

test("a retraction that was missed is noticed all the same", () => {
  const clinched = tally(5, { verdict: { status: "clinched" } });
  const later = tally(9, { verdict: { status: "passing" } });
  assert.deepEqual(retraction(clinched, later, null), { was: "clinched", seq: 9, cause: "" });
});

test("a whole vote is told in fewer than fifteen sentences", () => {
  const said = [];
  let before = tally(1, { phase: "scheduled" });
  const step = (after) => {
    said.push(...milestones(before, after));
    before = after;
  };
  step(tally(2));
  for (let yes = 1; yes <= 193; yes += 1) {
    const status = yes >= 129 ? "clinched" : "passing";
    step(tally(2 + yes, { counts: { yes, not_voting: 193 - yes }, verdict: { status } }));
  }
  const full = { counts: { yes: 193, not_voting: 0 }, verdict: { status: "clinched" } };
  step(tally(200, { ...full, phase: "locked" }));
  step(tally(201, { ...full, phase: "closed", verdict: { status: "adopted" } }));
  assert.deepEqual(said, [
    "opened", "quarter", "quarter", "settled", "quarter", "locked", "closed",
  ]);
});
