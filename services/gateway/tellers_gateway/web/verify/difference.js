// Where a file differs from what it should be, as RFC 6901 points there.

/**
 * Something differs. `found` and `expected` are JSON values, undefined where there is or
 * should be nothing; `expected` may be a Form, a kind of value.
 */
export class Difference extends Error {
  constructor(pointer, found, expected) {
    super(pointer);
    this.pointer = pointer;
    this.found = found;
    this.expected = expected;
  }
}

/** A kind of value, by its name: "text", "integer", "base64", ... */
export class Form {
  constructor(name) {
    this.name = name;
  }
}

export const form = (name) => new Form(name);

/** The pointer to a member of what `at` points to. */
export const under = (at, name) =>
  `${at}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;

const isObject = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Throws the first Difference between two values; order of members means nothing. */
export function same(found, expected, at) {
  if (Array.isArray(expected) && Array.isArray(found)) {
    expected.forEach((item, index) => same(found[index], item, under(at, index)));
    if (found.length > expected.length) {
      throw new Difference(under(at, expected.length), found[expected.length], undefined);
    }
    return;
  }
  if (isObject(expected) && isObject(found)) {
    for (const name of Object.keys(expected)) {
      same(found[name], expected[name], under(at, name));
    }
    for (const name of Object.keys(found)) {
      if (Object.hasOwn(expected, name)) continue;
      throw new Difference(under(at, name), found[name], undefined);
    }
    return;
  }
  if (found !== expected) throw new Difference(at, found, expected);
}

// ---- forms: functions of a value and its pointer that throw Differences

const kind = (name, test) => (value, at) => {
  if (!test(value)) throw new Difference(at, value, form(name));
};

export const text = kind("text", (value) => typeof value === "string");
export const boolean = kind("boolean", (value) => typeof value === "boolean");
export const natural = kind("integer", (value) => Number.isInteger(value) && value >= 0);
export const anObject = kind("object", isObject);

/** Text of this pattern, which must be anchored. */
export const written = (name, pattern) =>
  kind(name, (value) => typeof value === "string" && pattern.test(value));

/** Exactly this. */
export const exactly = (expected) => (value, at) => same(value, expected, at);

/** One of these strings. */
export const oneOf = (...values) => (value, at) => {
  if (!values.includes(value)) throw new Difference(at, value, values.join(" | "));
};

export const orNull = (check) => (value, at) => {
  if (value !== null) check(value, at);
};

export const listOf = (check) => (value, at) => {
  if (!Array.isArray(value)) throw new Difference(at, value, form("list"));
  value.forEach((item, index) => check(item, under(at, index)));
};

/** An object whose members, whatever their names, are all of one form. */
export const mapOf = (check) => (value, at) => {
  anObject(value, at);
  for (const [name, item] of Object.entries(value)) check(item, under(at, name));
};

/** An object of exactly these members; those of `optional` may be left out. */
export const object = (members, optional = {}) => (value, at) => {
  anObject(value, at);
  for (const name of Object.keys(members)) {
    if (Object.hasOwn(value, name)) continue;
    throw new Difference(under(at, name), undefined, form("member"));
  }
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(members, name) || Object.hasOwn(optional, name)) continue;
    throw new Difference(under(at, name), value[name], undefined);
  }
  for (const [name, check] of Object.entries(members)) check(value[name], under(at, name));
  for (const [name, check] of Object.entries(optional)) {
    if (Object.hasOwn(value, name)) check(value[name], under(at, name));
  }
};
