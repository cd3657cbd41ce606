// RFC 9162 trees. Hashes are base64 text here, so that they compare and show as they are;
// `sha256` is a function of bytes to a promise of bytes.

import { fromBase64, joined, toBase64 } from "./base64.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** A proof has other than the hashes that are missing. */
export class BadProof extends Error {}

/** The hash of a leaf's bytes. */
export const leafHash = async (bytes, sha256) =>
  toBase64(await sha256(joined(LEAF, bytes)));

/** The hash of the node above two. */
export const nodeHash = async (left, right, sha256) =>
  toBase64(await sha256(joined(NODE, fromBase64(left), fromBase64(right))));

/** The largest power of two smaller than `size`: where RFC 9162 splits a tree. */
function splitOf(size) {
  let power = 1;
  while (power * 2 < size) power *= 2; // sizes go beyond the 32 bits of <<
  return power;
}

/**
 * The root of the tree of `size` leaves of which `leaves` ([{index, hash}], ascending) are
 * known and `proof` gives the rest, left before right. Throws BadProof.
 */
export async function rootOf(size, leaves, proof, sha256) {
  const rest = [...proof];
  const root = await walk(0, size, leaves);
  if (rest.length > 0) throw new BadProof("too long");
  return root;

  async function walk(start, width, known) {
    if (known.length === 0) {
      if (rest.length === 0) throw new BadProof("too short");
      return rest.shift();
    }
    if (width === 1) return known[0].hash;
    const half = splitOf(width);
    const middle = start + half;
    const beyond = known.findIndex(({ index }) => index >= middle);
    const cut = beyond === -1 ? known.length : beyond;
    const left = await walk(start, half, known.slice(0, cut));
    const right = await walk(middle, width - half, known.slice(cut));
    return nodeHash(left, right, sha256);
  }
}

/**
 * Both roots that a consistency proof comes to (RFC 9162, 2.1.4): {old, new}. It proves
 * that the tree of `from` leaves is the beginning of that of `size` when they are the two
 * signed. `known` is the old root, which the proof leaves out where it is a node of the
 * new tree. Throws BadProof.
 */
export async function rootsOf(from, size, known, proof, sha256) {
  const rest = [...proof];
  const roots = await walk(from, size, true);
  if (rest.length > 0) throw new BadProof("too long");
  return roots;

  function next() {
    if (rest.length === 0) throw new BadProof("too short");
    return rest.shift();
  }

  // The proof's order is that of RFC 9162's SUBPROOF: what is deeper comes first.
  // `whole`: the old tree is this very node, not a part of it further right.
  async function walk(part, width, whole) {
    if (part === width) {
      const hash = whole ? known : next();
      return { old: hash, new: hash };
    }
    const half = splitOf(width);
    if (part <= half) {
      const left = await walk(part, half, whole);
      const right = next();
      return { old: left.old, new: await nodeHash(left.new, right, sha256) };
    }
    const right = await walk(part - half, width - half, false);
    const left = next();
    return {
      old: await nodeHash(left, right.old, sha256),
      new: await nodeHash(left, right.new, sha256),
    };
  }
}
