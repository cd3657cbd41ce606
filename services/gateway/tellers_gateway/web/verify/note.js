// Signed notes and checkpoints as C2SP writes them, and the keys that sign them.

import { fromBase64, joined, toBase64, toHex } from "./base64.js";
import { Difference, form } from "./difference.js";

const ED25519 = 0x01;
const COSIGNATURE = 0x04;
const KEY_ID = 4;
const TIMESTAMP = 8;
const SIGNATURE = 64;
const PUBLIC_KEY = 32;
const HASH = 32;
export const MADE_UP = "key made up on first start";

/**
 * A vkey: {name, id (8 hex digits), algorithm, publicKey}. `at` points to it. Throws a
 * Difference when it is none, or its id is not that of name and key.
 */
export async function readKey(vkey, at, sha256) {
  const [, name, id, rest] = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(vkey) ?? [];
  const bytes = rest === undefined ? null : fromBase64(rest);
  const [algorithm] = bytes ?? [];
  const known = algorithm === ED25519 || algorithm === COSIGNATURE;
  if (!known || bytes.length !== 1 + PUBLIC_KEY) {
    throw new Difference(at, vkey, form("vkey"));
  }
  if (sha256 !== null) {
    const proper = toHex((await sha256(joined(name, "\n", bytes))).slice(0, KEY_ID));
    if (id !== proper) throw new Difference(at, vkey, `${name}+${proper}+${rest}`);
  }
  return { name, id, algorithm, publicKey: bytes.slice(1) };
}

/** `SHA256:` and the hash of a public key, as people compare it. */
export async function fingerprintOf(publicKey, sha256) {
  return `SHA256:${toBase64(await sha256(publicKey)).replace(/=+$/, "")}`;
}

/**
 * A checkpoint: {origin, size, root (base64), epoch, madeUp, body, signatures}; `body` is
 * what is signed, signatures are [{name, bytes, line}]. `at` points to the text. Throws
 * a Difference with the line that is none.
 */
export function readCheckpoint(text, at) {
  const refuse = (found, expected = "note") => {
    throw new Difference(at, found, form(expected));
  };
  const [, body, tail] = /^([^]*?\n)\n([^]*\n)$/.exec(text) ?? refuse(text);
  const [origin, size, root, epochLine = "", ...more] = body.slice(0, -1).split("\n");
  if (!/^[^\s+]+$/.test(origin)) refuse(origin);
  if (!/^[1-9]\d*$/.test(size ?? "") || !Number.isSafeInteger(Number(size))) {
    refuse(size);
  }
  if (fromBase64(root ?? "")?.length !== HASH) refuse(root, "hash");
  const [, epoch] = /^epoch (\S+)$/.exec(epochLine) ?? refuse(epochLine);
  const madeUp = more[0] === MADE_UP;
  if (more.length > Number(madeUp)) refuse(more[Number(madeUp)]);
  const signatures = tail.slice(0, -1).split("\n").map((line) => {
    const [, name, rest] = /^\u2014 ([^\s+]+) (\S+)$/.exec(line) ?? [];
    const bytes = rest === undefined ? null : fromBase64(rest);
    if (bytes === null || bytes.length < KEY_ID + SIGNATURE) refuse(line);
    return { name, bytes, line };
  });
  return { origin, size: Number(size), root, epoch, madeUp, body, signatures };
}

/** Whether a signature line names this key: its name and its id. */
export const names = (signature, key) =>
  signature.name === key.name && toHex(signature.bytes.slice(0, KEY_ID)) === key.id;

/** Whether this key signed the checkpoint so; `ed25519(publicKey, signature, bytes)`. */
export async function isSigned(checkpoint, signature, key, ed25519) {
  const rest = signature.bytes.slice(KEY_ID);
  if (key.algorithm === ED25519) {
    if (rest.length !== SIGNATURE) return false;
    return ed25519(key.publicKey, rest, joined(checkpoint.body));
  }
  if (rest.length !== TIMESTAMP + SIGNATURE) return false;
  const time = new DataView(rest.buffer).getBigUint64(0);
  const message = joined(`cosignature/v1\ntime ${time}\n`, checkpoint.body);
  return ed25519(key.publicKey, rest.slice(TIMESTAMP), message);
}

/** Whether a key signs notes as they are, as a log does. */
export const isPlain = (key) => key.algorithm === ED25519;
