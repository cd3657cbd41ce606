// A report of verify() as a page: the verdict, what the file proves, who signed, and every
// check. All that comes from the file only ever becomes text.

import { bar } from "../bar.js";
import { element } from "../dom.js";
import { chip } from "../symbols.js";
import { figures, verdictInWords } from "../verdict.js";
import { Form } from "./difference.js";

const MARKS = {
  valid: "yes", invalid: "no", unchecked: "barred", unreadable: "no",
  passed: "yes", failed: "no", skipped: "barred", open: "none",
};
const LONGEST = 400; // letters of a value that are shown

/** Paint a report of verify() into `target`. */
export function paintReport(target, report, language) {
  const parts = [verdictPlate(report, language)];
  if (report.state === "valid") parts.push(keyPlate(report.facts, language));
  if (report.checks.length > 0) parts.push(checkList(report.checks, language));
  target.replaceChildren(...parts);
}

const paragraph = (names, text) => element("p", { class: names }, ...prose(text));

/** Words in which `a command` stands between backticks. */
const prose = (text) => text.split("`").map((part, index) =>
  index % 2 === 0 ? part : element("code", { dir: "ltr", textContent: part }));

function verdictPlate(report, language) {
  const { state, kind, facts, difference } = report;
  const head = element(
    "div", { class: "verdict-head" },
    chip(MARKS[state]),
    element("h2", { textContent: language.say(`state.${state}`) }),
  );
  const plate = element("div", { class: "card outcome", data: { state } }, head);
  plate.append(paragraph("lead", leadOf(report, language)));
  if (difference) plate.append(differenceList(difference, language));
  if (facts && kind === "certificate") plate.append(resultOf(facts.tally, language));
  if (facts && kind === "inclusion") plate.append(voteOf(facts, language));
  return plate;
}

function leadOf({ state, kind, facts, unreadable }, language) {
  if (state === "unreadable") {
    const why = language.say(`unreadable.${unreadable.reason}`, unreadable.values);
    return `${language.say("unreadable")} ${why}`;
  }
  if (state !== "valid") return language.say(state);
  return language.say(`valid.${kind}`, { a: facts.oldSize, b: facts.size });
}

// ---- what it proves

function resultOf(tally, language) {
  const { counts, title, rehearsal } = tally;
  const words = verdictInWords(tally, language);
  const painted = bar(language);
  painted.paint(tally);
  const made = element("div", { class: "result" }, where(tally, language));
  if (rehearsal) {
    const real = language.say("not_real");
    made.append(paragraph("alarm", `${language.say("rehearsal")}: ${real}`));
  }
  made.append(
    element("h3", {}, element("bdi", { textContent: title })),
    element("p", { class: "headline figures" },
      element("span", { textContent: `${words.headline} ` }),
      element("bdi", { textContent: figures(counts) }),
      element("span", { class: "silent", textContent: silentIn(counts, language) })),
    painted.root,
    paragraph("rule figures", `${words.rule} · ${words.qualifier}`),
  );
  return made;
}

function silentIn({ not_voting: n }, language) {
  return `${language.direction === "rtl" ? "، " : ", "}${language.say("silent", { n })}`;
}

function where({ chamber, symbol, roll_call: id, at }, language) {
  const key = `chamber.${chamber}`;
  const parts = [
    language.has(key) ? language.say(key) : chamber, symbol ?? id,
    language.date(at), language.time(at),
  ];
  const texts = parts.map((text) => element("bdi", { textContent: text }));
  return element("p", { class: "where" }, ...texts);
}

function voteOf({ event }, language) {
  const { delegation, vote } = event.data;
  const said = vote === null ? language.say("withdrawn") : language.say(vote);
  const time = `${language.date(event.time)} ${language.time(event.time)}`;
  const place = language.say("event_at", { n: Number(event.sequence), time });
  return element(
    "div", { class: "result" },
    element("p", { class: "where" }, element("bdi", { textContent: event.rollcall })),
    element("p", { class: "vote" }, chip(vote ?? "none"),
      element("bdi", { textContent: delegation }), element("strong", { textContent: said })),
    paragraph("rule figures", place),
  );
}

// ---- who signed

function keyPlate({ fingerprint, madeUp, witnesses, origin }, language) {
  const told = element("input", {
    type: "text", id: "told", dir: "ltr", spellcheck: false, autocomplete: "off",
  });
  const answer = element("p", { class: "answer", attributes: { "aria-live": "polite" } });
  told.addEventListener("input", () => compare(told, answer, fingerprint, language));
  const plate = element(
    "div", { class: "card key" },
    element("h2", { textContent: language.say("signed_by") }),
    element("p", { class: "origin" }, element("bdi", { textContent: origin })),
    element("p", { class: "fingerprint", id: "fingerprint", dir: "ltr" }, fingerprint),
  );
  if (madeUp) plate.append(paragraph("alarm", language.say("made_up")));
  plate.append(
    paragraph("lead", language.say("whose")),
    element("label", { class: "told" },
      element("span", { textContent: language.say("told") }), told),
    answer,
    paragraph("calm", language.say("told_hint")),
    witnessesOf(witnesses, language),
  );
  return plate;
}

/** Whether what somebody typed is the fingerprint; spaces and its label do not matter. */
function compare(input, answer, fingerprint, language) {
  const bare = (text) =>
    text.replace(/\s/g, "").replace(/=+$/, "").replace(/^SHA256:/i, "");
  const typed = bare(input.value);
  const matches = typed === bare(fingerprint);
  input.dataset.match = typed === "" ? "" : matches ? "yes" : "no";
  answer.replaceChildren();
  if (typed === "") return;
  const said = language.say(matches ? "told.same" : "told.other");
  answer.append(chip(matches ? "yes" : "no"), element("span", { textContent: said }));
}

function witnessesOf(witnesses, language) {
  if (witnesses.length === 0) return paragraph("calm", language.say("unwitnessed"));
  const list = element("p", { class: "witnesses" }, `${language.say("witnessed")} `);
  witnesses.forEach((name, index) => {
    if (index > 0) list.append(" · ");
    list.append(element("bdi", { textContent: name }));
  });
  return list;
}

// ---- what was checked

function checkList(checks, language) {
  const items = checks.map(({ name, outcome }) => element(
    "li", { data: { check: name, outcome } },
    chip(MARKS[outcome]),
    element("span", { textContent: language.say(`check.${name}`) }),
    element("span", { class: "said", textContent: language.say(`outcome.${outcome}`) }),
  ));
  return element(
    "div", { class: "checks" },
    element("h2", { textContent: language.say("what_checked") }),
    element("ol", {}, ...items),
  );
}

function differenceList({ pointer, found, expected }, language) {
  const code = (text) => element("code", { dir: "ltr", textContent: text });
  const value = (it) => {
    if (it === undefined) return element("span", { textContent: language.say("nothing") });
    if (it instanceof Form) {
      return element("span", { textContent: language.say(`form.${it.name}`) });
    }
    const written = JSON.stringify(it);
    return code(written.length > LONGEST ? `${written.slice(0, LONGEST)}…` : written);
  };
  const place = pointer === ""
    ? element("span", { textContent: language.say("whole_file") }) : code(pointer);
  const rows = [["pointer", place], ["found", value(found)], ["expected", value(expected)]];
  const list = element("dl", { class: "difference", attributes: {
    "aria-label": language.say("difference"),
  } });
  for (const [name, shown] of rows) {
    const row = element("div", { data: { row: name } },
      element("dt", { textContent: language.say(name) }), element("dd", {}, shown));
    list.append(row);
  }
  return list;
}
