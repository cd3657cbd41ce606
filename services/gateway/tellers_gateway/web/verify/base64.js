// Bytes as text. Only the one way to write them is taken: padded, standard, canonical.

/** The bytes of canonical base64, or null. */
export function fromBase64(text) {
  let raw;
  try {
    raw = atob(text);
  } catch {
    return null;
  }
  // atob forgives spaces, missing padding and bits that mean nothing.
  if (btoa(raw) !== text) return null;
  return Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
}

export const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));

export const toHex = (bytes) =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Bytes and strings (as UTF-8) end to end. */
export function joined(...parts) {
  const chunks = parts.map((part) =>
    typeof part === "string" ? new TextEncoder().encode(part) : part,
  );
  const made = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    made.set(chunk, at);
    at += chunk.length;
  }
  return made;
}
