// Which language a page speaks, and how it counts, writes figures and tells the time.

import { WORDS } from "./words.js";

const LANGUAGES = Object.keys(WORDS);
const RIGHT_TO_LEFT = new Set(["ar"]);
const FSI = "\u2068";
const PDI = "\u2069";

/** `?lang=`, else the reader's own language if we speak it, else English. */
export function chooseLanguage(query, preferred = []) {
  const asked = [query.get("lang"), ...preferred];
  const short = asked.map((tag) => (tag ?? "").toLowerCase().split("-")[0]);
  return short.find((tag) => LANGUAGES.includes(tag)) ?? "en";
}

export class Language {
  #words;
  #plural;
  #number;
  #time;
  #date;

  /** `more`: a page's own words, {code: {key: words}}. */
  constructor(code, more = {}) {
    this.code = code;
    this.direction = RIGHT_TO_LEFT.has(code) ? "rtl" : "ltr";
    this.tag = code === "zh" ? "zh-Hans" : code;
    this.#words = { ...WORDS[code], ...more[code] };
    this.#plural = new Intl.PluralRules(code);
    const digits = { numberingSystem: "latn" };
    this.#number = new Intl.NumberFormat(code, { ...digits, useGrouping: false });
    this.#time = new Intl.DateTimeFormat(code, {
      ...digits, timeZone: "UTC", hourCycle: "h23",
      hour: "2-digit", minute: "2-digit", second: "2-digit",
    });
    // The United Nations write 2 March 2022.
    this.#date = new Intl.DateTimeFormat(code === "en" ? "en-GB" : code, {
      ...digits, timeZone: "UTC", day: "numeric", month: "long", year: "numeric",
    });
  }

  /** Whether the table has these words. */
  has(key) {
    return key in this.#words;
  }

  /** The words of a key; `{name}` becomes values.name, `n` chooses the plural. */
  say(key, values = {}) {
    let words = this.#words[key];
    if (typeof words === "object") {
      words = words[this.#plural.select(values.n)] ?? words.other;
    }
    return words.replace(/\{(\w+)\}/g, (_, name) => this.#isolated(values[name]));
  }

  // A figure or a foreign name within Arabic keeps its own direction.
  #isolated(value) {
    const text = typeof value === "number" ? this.number(value) : String(value);
    return this.direction === "rtl" ? `${FSI}${text}${PDI}` : text;
  }

  number(value) {
    return this.#number.format(value);
  }

  /** 15:42:07 UTC, from milliseconds or RFC 3339. */
  time(at) {
    return this.#isolated(`${this.#time.format(new Date(at))} UTC`);
  }

  date(at) {
    return this.#date.format(new Date(at));
  }
}

/** Give the page its language, `more` being its own words; returns it. */
export function speak(search = location.search, more = {}) {
  const language = new Language(
    chooseLanguage(new URLSearchParams(search), navigator.languages), more,
  );
  const root = document.documentElement;
  root.lang = language.tag;
  root.dir = language.direction;
  for (const target of document.querySelectorAll("[data-say]")) {
    target.textContent = language.say(target.dataset.say);
  }
  return language;
}

/** Links to the same page in each language, into `target`. */
export function offerLanguages(target, current) {
  for (const code of LANGUAGES) {
    const link = document.createElement("a");
    const address = new URL(location.href);
    address.searchParams.set("lang", code);
    link.href = address.href;
    link.lang = code === "zh" ? "zh-Hans" : code;
    link.hreflang = link.lang;
    link.textContent = WORDS[code]["language"];
    if (code === current) link.setAttribute("aria-current", "true");
    target.append(link);
  }
}
