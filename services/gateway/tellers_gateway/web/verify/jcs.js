// RFC 8785, the one way to write a value down: for what json.js reads.

/** The canonical text of a value. Members stand in the order of their UTF-16 units. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`)}}`;
}

/** The same as UTF-8. */
export const canonicalBytes = (value) => new TextEncoder().encode(canonical(value));
