// JSON read strictly (RFC 8259): each member once, integers only, no half surrogates,
// nothing behind the end. What JSON.parse forgives would let two readers see two files in
// one.

import { Difference, form, under } from "./difference.js";

const MAX_BYTES = 16 * 1024 * 1024;
const MAX_DEPTH = 64;
const ESCAPES = {
  '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t",
};
const WORDS = [["true", true], ["false", false], ["null", null]];

/**
 * No file of ours: `reason` is "size", "text", "json", "depth" or "type"; `values` say
 * more: {line, column} from 1, or {found}.
 */
export class Unreadable extends Error {
  constructor(reason, values = {}) {
    super(reason);
    this.reason = reason;
    this.values = values;
  }
}

/**
 * What these bytes say: {value, difference}; objects have no prototype. The difference is
 * the first member that is JSON but not as strict as ours, null if there is none. Throws
 * Unreadable.
 */
export function readJson(bytes) {
  if (bytes.length > MAX_BYTES) throw new Unreadable("size");
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Unreadable("text");
  }
  return new Reader(text).whole();
}

class Reader {
  #text;
  #at = 0;
  #path = [];
  #difference = null;

  constructor(text) {
    this.#text = text;
  }

  whole() {
    const value = this.#value();
    this.#skip();
    if (this.#at < this.#text.length) this.#fail("json");
    return { value, difference: this.#difference };
  }

  #value() {
    this.#skip();
    const next = this.#text[this.#at];
    if (next === "{") return this.#nested(() => this.#object());
    if (next === "[") return this.#nested(() => this.#list());
    if (next === '"') return this.#string();
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    return this.#number();
  }

  #nested(read) {
    if (this.#path.length === MAX_DEPTH) this.#fail("depth");
    this.#at += 1;
    this.#path.push("");
    const value = read();
    this.#path.pop();
    return value;
  }

  #object() {
    const made = Object.create(null);
    if (this.#taken("}")) return made;
    do {
      this.#skip();
      const name = this.#string();
      this.#path[this.#path.length - 1] = name;
      if (!this.#taken(":")) this.#fail("json");
      const value = this.#value();
      if (Object.hasOwn(made, name)) this.#differ(value, undefined);
      else made[name] = value;
    } while (this.#taken(","));
    if (!this.#taken("}")) this.#fail("json");
    return made;
  }

  #list() {
    const made = [];
    if (this.#taken("]")) return made;
    do {
      this.#path[this.#path.length - 1] = made.length;
      made.push(this.#value());
    } while (this.#taken(","));
    if (!this.#taken("]")) this.#fail("json");
    return made;
  }

  #string() {
    if (this.#text[this.#at] !== '"') this.#fail("json");
    this.#at += 1;
    let made = "";
    for (;;) {
      const next = this.#text[this.#at];
      if (next === undefined || next < " ") this.#fail("json");
      this.#at += 1;
      if (next === '"') break;
      made += next === "\\" ? this.#escaped() : next;
    }
    // Half a surrogate pair has no UTF-8 and so no hash.
    if (!made.isWellFormed()) this.#differ(made.toWellFormed(), form("text"));
    return made;
  }

  #escaped() {
    const kind = this.#text[this.#at];
    this.#at += 1;
    if (Object.hasOwn(ESCAPES, kind)) return ESCAPES[kind];
    const digits = this.#text.slice(this.#at, this.#at + 4);
    if (kind !== "u" || !/^[0-9A-Fa-f]{4}$/.test(digits)) this.#fail("json");
    this.#at += 4;
    return String.fromCharCode(parseInt(digits, 16));
  }

  #number() {
    const pattern = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
    pattern.lastIndex = this.#at;
    const [written, fraction, exponent] = pattern.exec(this.#text) ?? [];
    if (written === undefined) this.#fail("json");
    this.#at += written.length;
    const value = Number(written);
    const whole = fraction === undefined && exponent === undefined;
    if (!whole || !Number.isSafeInteger(value) || written === "-0") {
      this.#differ(written, form("integer"));
    }
    return value;
  }

  #taken(sign) {
    this.#skip();
    if (this.#text[this.#at] !== sign) return false;
    this.#at += 1;
    return true;
  }

  #skip() {
    while (" \t\n\r".includes(this.#text[this.#at] ?? "x")) this.#at += 1;
  }

  #differ(found, expected) {
    this.#difference ??= new Difference(this.#path.reduce(under, ""), found, expected);
  }

  #fail(reason) {
    const before = this.#text.slice(0, this.#at);
    const line = before.split("\n").length;
    throw new Unreadable(reason, { line, column: this.#at - before.lastIndexOf("\n") });
  }
}
