import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { tally, WEB } from "./tally.mjs";

const { WORDS } = await import(new URL("words.js", WEB));
const { WORDS: DOCK } = await import(new URL("dock/words.js", WEB));
const { Language, chooseLanguage } = await import(new URL("language.js", WEB));
const { Announcer } = await import(new URL("announcer.js", WEB));
const { ordered } = await import(new URL("result/order.js", WEB));
const verdict = await import(new URL("verdict.js", WEB));

const LANGUAGES = Object.keys(WORDS);
const TABLES = { pages: WORDS, dock: DOCK };
const en = new Language("en");
const standing = (yes, no, abstain) => ({
  yes, no, abstain, not_voting: 193 - yes - no - abstain,
});
const told = (more, language = en) => verdict.verdictInWords(tally(9, more), language);

for (const [page, WORDS] of Object.entries(TABLES)) {

test(`${page}: every language says everything, in all its plural forms`, () => {
  for (const code of LANGUAGES) {
    assert.deepEqual(Object.keys(WORDS[code]), Object.keys(WORDS.en), code);
    const needed = new Intl.PluralRules(code).resolvedOptions().pluralCategories;
    for (const [key, words] of Object.entries(WORDS[code])) {
      if (typeof words === "string") continue;
      // A few sentences do not change with the number: `other` alone says so.
      const forms = Object.keys(words);
      if (forms.length === 1) assert.deepEqual(forms, ["other"], `${code} ${key}`);
      else assert.deepEqual(forms.sort(), [...needed].sort(), `${code} ${key}`);
    }
  }
});

test(`${page}: every language fills in the same values`, () => {
  // "one vote" may be a word instead of a figure.
  const holes = (words) => new Set(JSON.stringify(words).match(/\{\w+\}/g) ?? []);
  for (const code of LANGUAGES) {
    for (const [key, words] of Object.entries(WORDS[code])) {
      assert.deepEqual([...holes(words)].sort(), [...holes(WORDS.en[key])].sort(),
        `${code} ${key}`);
    }
  }
});

}

test("every page finds the words it asks for", async () => {
  const own = {
    dock: DOCK,
    verify: (await import(new URL("verify/words.js", WEB))).WORDS,
    status: (await import(new URL("status/words.js", WEB))).WORDS,
  };
  const asked = /(?:data-say=|language\.say\(|words\.say\()"([^"]+)"/g;
  let found = 0;
  for (const file of readdirSync(WEB, { recursive: true })) {
    if (!/\.(js|html)$/.test(file)) continue;
    const [page] = file.split(/[/.]/);
    const text = readFileSync(new URL(file, WEB), "utf8");
    for (const [, key] of text.matchAll(asked)) {
      found += 1;
      const known = key in WORDS.en || key in (own[page]?.en ?? {});
      assert.ok(known, `${file} asks for "${key}"`);
    }
  }
  assert.ok(found > 100);
});

test("plurals follow the language", () => {
  const left = (code, n) => new Language(code).say("left", { n });
  assert.equal(left("ru", 1), "не проголосовала 1 делегация");
  assert.equal(left("ru", 3), "не проголосовали 3 делегации");
  assert.equal(left("ru", 11), "не проголосовали 11 делегаций");
  assert.equal(left("ru", 21), "не проголосовала 21 делегация");
  assert.equal(left("ar", 2), "بقي وفدان لم يصوّتا");
  assert.match(left("ar", 5), /وفود/);
  assert.match(left("ar", 57), /وفدًا/);
  assert.equal(left("fr", 0), "0 vote encore attendu");
});

test("figures in Arabic are Latin digits in a direction of their own", () => {
  const language = new Language("ar");
  assert.equal(language.direction, "rtl");
  assert.ok(language.say("needed", { n: 98 }).includes("\u206898\u2069"));
});

test("the language is the one asked for, then the reader's, then English", () => {
  const choose = (search, ...preferred) =>
    chooseLanguage(new URLSearchParams(search), preferred);
  assert.equal(choose("?lang=ar", "fr"), "ar");
  assert.equal(choose("?lang=tlh", "de-CH", "fr-CH"), "fr");
  assert.equal(choose("", "zh-Hant-TW"), "zh");
  assert.equal(choose("", "de"), "en");
});

test("while it passes: what settles it and who is left", () => {
  const words = told({
    counts: standing(100, 10, 26),
    verdict: { status: "passing", to_clinch: 12 },
  });
  assert.equal(words.rule, "Two thirds of those present and voting");
  assert.equal(words.headline, "Passing");
  assert.equal(words.path, "12 more yes votes settle it; 57 still to vote.");
});

test("clinched: never without its condition and its figures", () => {
  const words = told({
    counts: standing(112, 4, 25),
    verdict: { status: "clinched", because: "112 >= 2 x (4 + 52)", flips: 1, to_clinch: 0 },
  });
  assert.equal(`${words.headline} ${words.qualifier}`,
    "Clinched unless delegations change their votes");
  assert.equal(words.because, "112 ≥ 2 × (4 + 52)");
  assert.equal(words.firmness, "1 changed vote would turn it");
});

test("locked: carried, but not yet announced", () => {
  const words = told({ phase: "locked", verdict: { status: "clinched", because: "x" } });
  assert.equal(words.headline, "Carried");
  assert.equal(words.qualifier, "the result is yet to be announced");
});

test("closed: the outcome, the figures and what was required", () => {
  const counts = standing(141, 5, 35);
  const closed = (status) =>
    told({ phase: "closed", counts, verdict: { status, required: 98 } });
  assert.equal(closed("adopted").headline, "Adopted");
  assert.equal(closed("adopted").result, "141-5-35");
  assert.equal(closed("adopted").qualifier, "98 votes in favour required");
  assert.equal(closed("rejected").headline, "Rejected");
  assert.match(closed("tied").qualifier, /second vote .*rule 95/);
});

test("out of reach, tied, annulled, not begun", () => {
  assert.equal(told({ verdict: { status: "unreachable", because: "1 < 2" } }).headline,
    "Out of reach");
  assert.equal(told({ verdict: { status: "tied", to_clinch: 5 } }).headline, "Tied");
  assert.match(told({ phase: "annulled", verdict: { status: "annulled" } }).headline,
    /decide nothing/);
  assert.equal(told({ phase: "scheduled" }).path, "");
});

test("a path that does not exist is not shown", () => {
  const words = told({ counts: standing(1, 1, 1), verdict: { status: "failing", to_clinch: null } });
  assert.equal(words.path, "190 still to vote.");
});

test("the Security Council's reasons are translated", () => {
  const because = (text, code = "en") =>
    verdict.becauseInWords(text, new Language(code));
  assert.equal(because("2 permanent against"), "2 permanent members against");
  assert.equal(because("9 >= 9, no permanent against"), "9 ≥ 9, no permanent member against");
  assert.equal(because("9 >= 9, 1 permanent outstanding"),
    "9 ≥ 9, 1 permanent member still to vote");
  assert.equal(because("1 permanent against", "fr"), "1 membre permanent contre");
  assert.equal(because("0 yes"), "0 in favour");
  assert.equal(because("3 + 5 against"), "3 + 5 against");
});

test("any fraction has a sentence", () => {
  const rule = (value) => verdict.ruleInWords(value, en);
  assert.equal(rule({ fraction: "3/7", of: "members", strict: true }),
    "More than 3/7 of all members");
  assert.equal(rule({ fraction: "3/7", of: "present_and_voting" }),
    "3/7 of those present and voting");
  assert.equal(rule("something_new"), "something_new");
});

test("a retraction says what undid it", () => {
  const name = () => "France";
  const say = (cause) =>
    verdict.retractionInWords({ was: "clinched", seq: 9, cause }, name, en);
  assert.equal(say("vote.changed FRA"), "No longer clinched: France changed its vote.");
  assert.equal(say("roll_call.unlocked"), "No longer clinched: voting is open again.");
  assert.equal(say(""), "No longer clinched.");
});

test("a reason for holding that is not in the table is shown as it is", () => {
  assert.equal(verdict.heldInWords("version 9 after version 7", en),
    "version 9 after version 7");
  assert.equal(verdict.heldInWords("the log cannot be read", new Language("fr")),
    "Le journal ne peut pas être lu");
});

test("a roll call of the past says its day, its source, and what is assumed", async () => {
  const { originInWords } = await import(new URL("origin.js", WEB));
  const figures = { yes: 3, no: 1, abstain: 0 };
  const imported = {
    voted_on: "1986-11-03", session: "41", source: "undl", record: "700002", figures,
  };
  const past = tally(9, { phase: "closed", imported, counts: standing(4, 1, 0) });
  assert.match(originInWords(past, en), /^Voted on 3 November 1986 · .*record 700002 · /);
  assert.equal(originInWords(tally(9), en), "");
  const words = told({ phase: "closed", imported });
  assert.match(words.rule, /assumed/);
  assert.equal(words.qualifier, "");
  const locked = told({ phase: "locked", imported, counts: standing(4, 1, 0) });
  assert.match(locked.qualifier, /3-1-0/);
});

test("lists are in the order that readers of the language look names up", () => {
  const members = ["Zambie", "Équateur", "Fidji", "Égypte"].map((name, seq) =>
    ({ name, delegation: name, seq }));
  const answers = new Map([["Fidji", { seq: 7 }], ["Zambie", { seq: 3 }]]);
  const names = (by) => ordered(members, answers, by, "fr").map(({ name }) => name);
  assert.deepEqual(names("name"), ["Égypte", "Équateur", "Fidji", "Zambie"]);
  assert.deepEqual(names("official"), ["Zambie", "Équateur", "Fidji", "Égypte"]);
  assert.deepEqual(names("time"), ["Zambie", "Fidji", "Égypte", "Équateur"]);
});

class Region {
  heard = [];
  set textContent(text) {
    this.heard.push(text);
  }
}

const said = (language = en) => {
  const region = new Region();
  return { region, announcer: new Announcer(region, language) };
};

test("a verdict that comes and goes is told once it has rested", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { region, announcer } = said();
  const passing = tally(9, { verdict: { status: "passing" } });
  const clinched = tally(9, { verdict: { status: "clinched", because: "1 > 0" } });
  for (let n = 0; n < 20; n += 1) {
    const [before, after] = n % 2 === 0 ? [passing, clinched] : [clinched, passing];
    announcer.tell(before, after, 100 * n);
  }
  assert.equal(region.heard.length, 1);
  assert.match(region.heard[0], /^Clinched/);
  context.mock.timers.tick(10_000);
  assert.equal(region.heard.length, 2);
  assert.match(region.heard[1], /^Passing/); // as it stands then
});

test("a phase is told at once, and takes with it what was waiting", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { region, announcer } = said();
  const passing = tally(9, { verdict: { status: "passing" } });
  const clinched = tally(9, { verdict: { status: "clinched", because: "1 > 0" } });
  announcer.tell(passing, clinched, 0);
  announcer.tell(clinched, passing, 1);
  const closed = tally(10, { phase: "closed", verdict: { status: "adopted" } });
  announcer.tell(passing, closed, 2);
  context.mock.timers.tick(60_000);
  assert.equal(region.heard.length, 2);
  assert.match(region.heard[1], /^Adopted/);
});
