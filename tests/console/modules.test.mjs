// The console's pure modules.

import assert from "node:assert/strict";
import test from "node:test";

const WEB = "../../services/ingest/tellers_ingest/console/web";
const { find, fold, indexed, nearest, preselected } = await import(`${WEB}/search.js`);
const { beginCall, callAt, called, callOrder, coming, moveOn, resumeCall } = await import(`${WEB}/order.js`);
const { actionOf } = await import(`${WEB}/keys.js`);
const { standing } = await import(`${WEB}/publication.js`);
const lines = await import(`${WEB}/queue.js`);
const { codesByName, dryRun } = await import(`${WEB}/record.js`);
const { decoded, read } = await import(`${WEB}/reading.js`);

const MEMBERS = [
  ["CIV", "CI", "Côte d'Ivoire", "Ivory Coast"],
  ["IRL", "IE", "Ireland", "Irlande"],
  ["NER", "NE", "Niger", "尼日尔"],
  ["NGA", "NG", "Nigeria", "尼日利亚"],
  ["TUR", "TR", "Türkiye", "Turkey"],
].map(([code, iso2, ...names]) => ({ code, iso2, names, name: names[0] }));
const INDEX = indexed(MEMBERS);
const codes = (text) => find(INDEX, text).map((member) => member.code);

test("names are found whatever their accents, case, language and age", () => {
  assert.equal(fold("  Côte d'IVOIRE "), "cote d ivoire");
  assert.deepEqual(codes("cote"), ["CIV"]);
  assert.deepEqual(codes("coast"), ["CIV"]);
  assert.deepEqual(codes("turkey"), ["TUR"]);
  assert.deepEqual(codes("尼日利亚"), ["NGA"]);
  assert.deepEqual(codes("xyz"), []);
});

test("a code comes before a name that begins so", () => {
  assert.deepEqual(codes("ir"), ["IRL"]);
  assert.deepEqual(codes("ne"), ["NER"]);
  assert.equal(codes("nga")[0], "NGA");
});

test("one slip is suggested, and nothing that is further away", () => {
  const near = (text) => nearest(INDEX, text).map((member) => member.code);
  for (const slip of ["Irland", "Ireeland", "Irelamd", "Irelnad", "IRELANDE"]) assert.deepEqual(near(slip), ["IRL"], slip);
  assert.deepEqual(near("ivoirr"), ["CIV"]); // a word of the name
  assert.deepEqual(near("turkez"), ["TUR"]);
  assert.deepEqual(near("nigerr"), ["NER"]);
  assert.deepEqual(near("nigerie"), ["NGA"]);
  for (const far of ["c", "Irlnd x", "Ielnad", "ngr", "", "xyzxyz"]) assert.deepEqual(near(far), [], far);
});

test("Enter chooses nobody among names that are alike", () => {
  assert.equal(preselected(find(INDEX, "niger")), -1);
  assert.equal(preselected(find(INDEX, "nigeria")), 0);
  assert.equal(preselected([]), -1);
});

const among = (...codes) => (code) => codes.includes(code);
const NOBODY = among();

test("the call begins with the drawn delegation and goes round", () => {
  const all = ["A", "B", "C"];
  assert.deepEqual(callOrder(all, all, "B"), ["B", "C", "A"]);
  assert.deepEqual(callOrder(["A", "B"], ["A", "B"], null), ["A", "B"]);
});

test("a drawn delegation that may not vote is not called; the call begins after it", () => {
  assert.deepEqual(callOrder(["A", "B", "C"], ["A", "C"], "B"), ["C", "A"]);
});

test("who was skipped is called a second time, in the same order, and no third", () => {
  let call = beginCall(["A", "B", "C"], NOBODY);
  call = moveOn(call, NOBODY, true);
  call = moveOn(call, among("B"));
  call = moveOn(call, among("B"), true);
  assert.deepEqual([call.round, called(call), coming(call, among("B"), 3)], [2, "A", ["C"]]);
  call = moveOn(call, among("A", "B"));
  assert.equal(called(call), "C");
  call = moveOn(call, among("A", "B"), true);
  assert.equal(called(call), null);
  assert.equal(moveOn(call, NOBODY), call);
});

test("a call is taken up at the same member, not at the one skipped before", () => {
  let call = moveOn(beginCall(["A", "B", "C", "D"], NOBODY), NOBODY, true);
  call = moveOn(moveOn(call, among("B")), among("B", "C"));
  const kept = resumeCall(JSON.parse(JSON.stringify(call)), among("B", "C"));
  assert.equal(called(kept), "D");
  assert.deepEqual([moveOn(kept, among("B", "C", "D"))].map((one) => [one.round, called(one)]), [[2, "A"]]);
  // Somebody else recorded D meanwhile.
  assert.equal(called(resumeCall(kept, among("B", "C", "D"))), "A");
});

test("a call begins and moves on past everybody with a vote", () => {
  const voted = among("A", "C");
  const call = beginCall(["A", "B", "C", "D"], voted);
  assert.equal(called(call), "B");
  assert.deepEqual(coming(call, voted, 3), ["D"]);
  assert.equal(called(moveOn(call, among("A", "B", "C"))), "D");
});

test("the second call is for whoever has no vote: also passed over by hand, or taken back", () => {
  const ahead = callAt(beginCall(["A", "B", "C"], NOBODY), "C");
  const second = moveOn(ahead, among("C"));
  assert.deepEqual([second.round, called(second)], [2, "A"]);
  // A correction in between, and nobody skipped is called before the second call.
  const skipped = moveOn(moveOn(beginCall(["A", "B", "C"], NOBODY), NOBODY, true), among("B"));
  const back = moveOn(callAt(skipped, "B"), among("B"));
  assert.deepEqual([back.round, called(back)], [1, "C"]);
});

test("no key acts where one writes, with a modifier, or held down", () => {
  assert.equal(actionOf({ key: "Y" }, false), "yes");
  assert.equal(actionOf({ key: "2" }, false), "no");
  assert.equal(actionOf({ key: "y" }, true), null);
  assert.equal(actionOf({ key: "a", ctrlKey: true }, false), null);
  assert.equal(actionOf({ key: "y", repeat: true }, false), null);
  assert.equal(actionOf({ key: "ArrowUp", repeat: true }, false), "up");
  assert.equal(actionOf({ key: "q" }, false), null);
});

test("entries wait in order, each on what the clerk saw before", () => {
  let queue = lines.enqueue(lines.empty, { A: "no" }, "A", "yes", "k1");
  queue = lines.enqueue(queue, { A: "no" }, "A", null, "k2");
  assert.deepEqual(queue.waiting.map((entry) => entry.base), ["no", "yes"]);
  assert.equal(lines.seen(queue, { A: "no" }, "A"), null);
  assert.equal(lines.taken(queue).waiting[0].key, "k2");
});

test("only another's vote on the same member is a conflict; one's own is not", () => {
  const entry = { delegation: "A", vote: "yes", base: null };
  assert.equal(lines.conflicts(entry, {}), false);
  assert.equal(lines.conflicts(entry, { B: "no" }), false);
  assert.equal(lines.conflicts(entry, { A: "yes" }), false);
  assert.equal(lines.conflicts(entry, { A: "no" }), true);
});

test("what is not known to be recorded is sent again", () => {
  assert.equal(lines.after(null), "again");
  assert.equal(lines.after({ status: 503 }), "again");
  assert.equal(lines.after({ status: 201 }), "done");
  assert.equal(lines.after({ status: 412 }), "reload");
  assert.equal(lines.after({ status: 401 }), "token");
  assert.equal(lines.after({ status: 409 }), "trouble");
});

test("a record's text and a CSV say the same", () => {
  const record = "In favour: Niger,\nCôte d'Ivoire. Against: Turkey\nAbstaining: None";
  const csv = 'name,vote\nNiger,Y\n"Côte d\'Ivoire",yes\nTurkey,no\nIreland,absent\n';
  for (const text of [record, csv]) {
    const found = dryRun(read(text), codesByName(MEMBERS), ["NER", "CIV", "TUR", "IRL"], { TUR: "yes" });
    assert.deepEqual(found.faults, []);
    assert.deepEqual(found.after, { yes: 2, no: 1, abstain: 0 });
    assert.deepEqual(found.conflicts, [{ delegation: "TUR", vote: "no", recorded: "yes" }]);
  }
});

test("every bad line is named", () => {
  const csv = "delegation,vote\nTUR,yes\nTUR,no\nXXX,yes\nIRL,maybe\nNGA,no\n";
  const { faults } = dryRun(read(csv), codesByName(MEMBERS), ["TUR", "IRL"], {});
  const named = faults.map(({ place, text }) => [place, text]);
  assert.deepEqual(named.sort(), [[3, "duplicate"], [4, "unknown"], [5, "badVote"], [6, "notEntitled"]]);
  assert.equal(read("a,b,c\n").faults[0].text, "noColumns");
  assert.equal(read("").faults[0].text, "noColumns");
});

test("without a header two columns will do, in either order", () => {
  const said = [["Niger", "yes"], ["Turkey", null]];
  for (const text of ["Niger,yes\nTurkey,\n", "Y;Niger\nx;Turkey", '\n"Niger"\tOui\nTurkey\tabsent\n\t\n']) {
    assert.deepEqual(read(text).rows.map(({ name, vote }) => [name, vote]), said);
  }
  assert.deepEqual(read("Niger,yes\nTurkey,maybe").faults, [{ place: 2, text: "badVote" }]);
  assert.deepEqual(read("\nNiger,yes").rows, [{ place: 2, name: "Niger", vote: "yes" }]);
});

test("digits are votes only in the code book that was chosen", () => {
  const text = "TUR,1\nNER,2\nNGA,3\nIRL,8";
  assert.deepEqual(read(text, "voeten").rows.map(({ vote }) => vote), ["yes", "abstain", "no", null]);
  assert.equal(read(text).faults.length, 4);
  assert.deepEqual(read("TUR,9", "voeten").faults, [{ place: 1, text: "badVote" }]);
});

test("a file is read in UTF-8, UTF-16 and Windows-1252", () => {
  const text = "name,vote\nCôte d'Ivoire,yes";
  const utf16 = Buffer.from(text, "utf16le");
  const swapped = Buffer.from(utf16).swap16();
  const all = [
    Buffer.from(text), Buffer.from("\ufeff" + text), Buffer.from(text, "latin1"),
    utf16, Buffer.concat([Buffer.from([0xff, 0xfe]), utf16]),
    swapped, Buffer.concat([Buffer.from([0xfe, 0xff]), swapped]),
  ];
  for (const bytes of all) assert.equal(decoded(new Uint8Array(bytes)), text);
});

test("who is absent in the import, and has a vote, is named; the vote stays", () => {
  const found = dryRun(read("TUR,absent\nNER,yes\nIRL,absent"), codesByName(MEMBERS), ["TUR", "NER", "IRL"], { TUR: "no" });
  assert.deepEqual(found.conflicts, [{ delegation: "TUR", vote: null, recorded: "no" }]);
  assert.deepEqual(found.votes, [{ delegation: "NER", vote: "yes" }]);
  assert.deepEqual(found.after, { yes: 1, no: 1, abstain: 0 });
});

test("the letters are the clerk's: French, Spanish, digits only", () => {
  const of = (key, letters) => actionOf({ key }, false, { letters });
  assert.deepEqual(["o", "n", "a", "y"].map((key) => of(key, "ona")), ["yes", "no", "abstain", null]);
  assert.deepEqual(["s", "n", "a"].map((key) => of(key, "sna")), ["yes", "no", "abstain"]);
  assert.deepEqual(["y", "1"].map((key) => of(key, "none")), [null, "yes"]);
});

test("single keys can be switched off: then Alt is needed, wherever one writes", () => {
  const off = { single: false };
  assert.equal(actionOf({ key: "y" }, false, off), null);
  assert.equal(actionOf({ key: "u" }, false, off), null);
  assert.equal(actionOf({ key: "y", altKey: true }, true, off), "yes");
  assert.equal(actionOf({ key: "ArrowUp" }, false, off), "up");
  assert.equal(actionOf({ key: "y", altKey: true }, false), null);
});

test("Alt and L lock, whatever the keys and wherever one writes; L alone does not", () => {
  for (const single of [true, false]) {
    assert.equal(actionOf({ key: "l", altKey: true }, true, { single }), "lock");
    assert.equal(actionOf({ key: "l", altKey: true, repeat: true }, false, { single }), null);
    assert.equal(actionOf({ key: "l" }, false, { single }), null);
  }
});

test("a table from a spreadsheet, with the words of any of the six languages", () => {
  const { rows, faults } = read("name\tvote\nCôte d'Ivoire\tContre\nNiger\tВоздержалась\nTurkey\t赞成\nIreland\tمعارض\n");
  assert.deepEqual(faults, []);
  assert.deepEqual(rows.map(({ vote }) => vote), ["no", "abstain", "yes", "no"]);
  assert.deepEqual(read("delegation;vote\nTUR;sí\n").rows, [{ place: 2, name: "TUR", vote: "yes" }]);
  // 1, 2, 3 are different votes in different code books.
  assert.deepEqual(read("delegation,vote\nTUR,1\n").faults, [{ place: 2, text: "badVote" }]);
});

test("a record in French, Spanish or Chinese is read like one in English", () => {
  const french = read("Votent pour : Irlande, Niger. Votent contre : Turkey. S’abstiennent : Néant");
  assert.deepEqual(french.rows.map(({ name, vote }) => [name, vote]).slice(0, 3), [
    ["Irlande", "yes"], ["Niger", "yes"], ["Turkey", "no"],
  ]);
  const chinese = read("赞成：尼日尔、尼日利亚。\n反对：无");
  assert.deepEqual(chinese.rows.slice(0, 2).map(({ name, vote }) => [name, vote]), [
    ["尼日尔", "yes"], ["尼日利亚", "yes"],
  ]);
});

test("how the public stands is said in one word and in figures", () => {
  const gateway = { url: "g", seq: 40, viewers: 3, held: null };
  const seen = { status: 200, seq: 42, frozen: false, delay_seconds: 0, gateways: [gateway] };
  assert.deepEqual(standing(seen).level, "live");
  assert.deepEqual(standing(seen).filled, { seq: 42, shown: 40, behind: 2, viewers: 3, delay: 0, away: 0 });
  assert.equal(standing({ ...seen, frozen: true }).level, "frozen");
  assert.equal(standing({ ...seen, delay_seconds: 3 }).words, "publicDelayed");
  assert.equal(standing({ ...seen, gateways: [{ ...gateway, held: "the log" }] }).words, "publicHeld");
  assert.equal(standing({ ...seen, gateways: [{ url: "g", trouble: "x" }] }).words, "publicAway");
  assert.equal(standing({ ...seen, gateways: [gateway, { trouble: "x" }] }).words, "publicSomeAway");
  assert.equal(standing({ ...seen, gateways: [] }).words, "publicRehearsal");
  assert.equal(standing(null).level, "trouble");
});
