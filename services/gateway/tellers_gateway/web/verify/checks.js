// The single checks, from docs/certificate.md. Each takes the case it works on, throws a
// Difference when something is not as it should be, and returns false when this browser
// cannot tell. A case is {file, tools} and what earlier checks found: key, checkpoint, log.

import { canonicalBytes } from "./jcs.js";
import { dataOf, isVote, recount } from "./count.js";
import {
  Difference, anObject, boolean, exactly, form, listOf, natural, object, same, text, under,
  written,
} from "./difference.js";
import { fromBase64, toBase64 } from "./base64.js";
import { BadProof, leafHash, rootOf, rootsOf } from "./merkle.js";
import { fingerprintOf, isPlain, isSigned, names, readCheckpoint, readKey } from "./note.js";

const HASH = 32;
const hash = (value, at) => {
  text(value, at);
  if (fromBase64(value)?.length !== HASH) throw new Difference(at, value, form("hash"));
};
const sequence = (value, at) => {
  written("sequence", /^[0-9]{16}$/)(value, at);
  const number = Number(value);
  if (number < 1 || !Number.isSafeInteger(number)) {
    throw new Difference(at, value, form("sequence"));
  }
};
const event = object({
  specversion: exactly("1.0"), id: text, source: text, type: text, subject: text,
  time: written("time", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  datacontenttype: exactly("application/json"), sequence, epoch: text, rollcall: text,
  rollcallversion: natural, data: anObject,
});
const vouched = {
  type: text, proof: listOf(hash), witnesses: listOf(text),
  key: object({ vkey: text, fingerprint: text, made_up: boolean }),
};

const FORMS = {
  certificate: object({
    ...vouched, chamber: text, roll_call: text, epoch: text, tally: anObject,
    votes: listOf(anObject), not_voting: listOf(text), result: anObject,
    events: listOf(anObject), leaves: listOf(hash), checkpoint: text,
  }),
  inclusion: object({ ...vouched, event: anObject, leaf: hash, checkpoint: text }),
  consistency: object({ ...vouched, old: text, new: text }),
};

// ---- who signed

/** The file has the members of its kind. */
export function checkForm({ file }, kind) {
  FORMS[kind](file, "");
  if (kind !== "certificate") return;
  const { events, leaves } = file;
  if (events.length === 0) throw new Difference("/events/0", undefined, form("object"));
  same(leaves.length, events.length, "/leaves");
}

/** The key is what it says it is, and so is its fingerprint. */
export async function checkKey({ file, tools: { sha256 }, found }) {
  const key = await readKey(file.key.vkey, "/key/vkey", sha256);
  if (!isPlain(key)) throw new Difference("/key/vkey", file.key.vkey, form("vkey"));
  found.key = key;
  if (sha256 === null) return false;
  found.fingerprint = await fingerprintOf(key.publicKey, sha256);
  same(file.key.fingerprint, found.fingerprint, "/key/fingerprint");
  return true;
}

/** A checkpoint, in the member `name`, is of the key's log. */
export function checkCheckpoint({ file, found }, name) {
  const at = under("", name);
  const checkpoint = readCheckpoint(file[name], at);
  same(checkpoint.origin, found.key.name, at);
  const [, chamber, rehearsal] =
    /\/([a-z0-9-]{1,32})(\/rehearsal)?$/.exec(checkpoint.origin) ?? [];
  if (chamber === undefined) throw new Difference(at, checkpoint.origin, form("note"));
  found[name] = checkpoint;
  found.log = { chamber, rehearsal: rehearsal !== undefined };
}

/** The first signature of a checkpoint is the log's own. */
export async function checkSignature({ tools: { ed25519 }, found }, name) {
  const checkpoint = found[name];
  const [own] = checkpoint.signatures;
  const known = names(own, found.key);
  if (known && ed25519 === null) return false;
  if (!known || !(await isSigned(checkpoint, own, found.key, ed25519))) {
    throw new Difference(under("", name), own.line, form("signature"));
  }
  return true;
}

/** Every further signature is that of the witness in the same place. */
export async function checkWitnesses({ file, tools, found }, name) {
  const checkpoint = found[name];
  const lines = checkpoint.signatures.slice(1);
  same(file.witnesses.length, lines.length, "/witnesses");
  const seen = new Set([toBase64(found.key.publicKey)]);
  for (const [index, vkey] of file.witnesses.entries()) {
    const at = under("/witnesses", index);
    const key = await readKey(vkey, at, tools.sha256);
    const line = lines[index];
    const own = toBase64(key.publicKey);
    if (!names(line, key) || seen.has(own)) {
      throw new Difference(at, vkey, form("witness"));
    }
    seen.add(own);
    if (tools.ed25519 === null) continue;
    if (!(await isSigned(checkpoint, line, key, tools.ed25519))) {
      throw new Difference(under("", name), line.line, form("signature"));
    }
  }
  const able = tools.sha256 !== null && tools.ed25519 !== null;
  return able || file.witnesses.length === 0;
}

/** The old checkpoint of a proof has the log's own signature alone. */
export function checkAlone({ found: { old } }) {
  const [, more] = old.signatures;
  if (more !== undefined) throw new Difference("/old", more.line, undefined);
}

// ---- what they signed

/** How the key came to be, and the log's epoch, are what was signed. */
export function checkSigned({ file, found: { checkpoint } }) {
  same(file.key.made_up, checkpoint.madeUp, "/key/made_up");
  if ("event" in file) {
    same(file.event.epoch, checkpoint.epoch, "/event/epoch");
    return;
  }
  same(file.epoch, checkpoint.epoch, "/epoch");
  file.events.forEach((one, index) => {
    same(one.epoch, checkpoint.epoch, under(under("/events", index), "epoch"));
  });
}

/** The same of two checkpoints; a restored log has another epoch. */
export const checkMadeUp = ({ file, found }) =>
  same(file.key.made_up, found.new.madeUp, "/key/made_up");

/** What a file proves to be in the log: [{event, leaf, at, leafAt}]. */
function proven(file) {
  if ("event" in file) {
    return [{ event: file.event, leaf: file.leaf, at: "/event", leafAt: "/leaf" }];
  }
  return file.events.map((one, index) => ({
    event: one, leaf: file.leaves[index],
    at: under("/events", index), leafAt: under("/leaves", index),
  }));
}

/** The leaf hash of an event: of all of it but the epoch. */
function leafOf({ epoch, ...rest }, sha256) {
  return leafHash(canonicalBytes(rest), sha256);
}

/** Each leaf is its event's hash. Where one is not, the tree tells which of the two is
 * wrong. */
export async function checkLeaves({ file, tools: { sha256 }, found }) {
  if (sha256 === null) return false;
  const all = proven(file);
  const proper = await Promise.all(all.map(({ event: one }) => leafOf(one, sha256)));
  const index = all.findIndex(({ leaf }, place) => leaf !== proper[place]);
  if (index === -1) return true;
  const { size, root } = found.checkpoint;
  const leaves = all.map(({ event: one }, place) => placed(one, proper[place]));
  const came = await rootOf(size, leaves, file.proof, sha256).catch(() => null);
  const { leaf, at, leafAt } = all[index];
  if (came === root) throw new Difference(leafAt, leaf, proper[index]);
  throw new Difference(at, proper[index], leaf);
}

/** A leaf and its place in the tree. */
const placed = ({ sequence: place }, leaf) => ({ index: Number(place) - 1, hash: leaf });

/** Leaves and proof come to the root that was signed. */
export async function checkRoot({ file, tools: { sha256 }, found }) {
  const { size, root } = found.checkpoint;
  const all = proven(file);
  all.forEach(({ event: one, at }, index) => {
    const here = under(at, "sequence");
    sequence(one.sequence, here);
    const late = Number(one.sequence) > size;
    if (late || (index > 0 && one.sequence <= all[index - 1].event.sequence)) {
      throw new Difference(here, one.sequence, form(late ? "within" : "order"));
    }
  });
  if (sha256 === null) return false;
  const leaves = all.map(({ event: one, leaf }) => placed(one, leaf));
  const came = await proving(file.proof, () => rootOf(size, leaves, file.proof, sha256));
  same(came, root, "/proof");
  return true;
}

/** The log of the old checkpoint is the beginning of the new one's. */
export async function checkGrowth({ file, tools: { sha256 }, found }) {
  const { old, new: now } = found;
  if (old.size > now.size) throw new Difference("/old", old.size, form("older"));
  if (sha256 === null) return false;
  const roots = await proving(file.proof, () =>
    rootsOf(old.size, now.size, old.root, file.proof, sha256));
  same(roots.old, old.root, "/proof");
  same(roots.new, now.root, "/proof");
  return true;
}

async function proving(proof, compute) {
  try {
    return await compute();
  } catch (error) {
    if (!(error instanceof BadProof)) throw error;
    throw new Difference("/proof", proof, form("proof"));
  }
}

/** An event says the same in all its attributes, and is of this log. */
function checkEvent(one, at, { chamber, rehearsal }) {
  event(one, at);
  dataOf(one, at);
  const subject = isVote(one) ? `${one.rollcall}/${one.data.delegation}` : one.rollcall;
  same(one.id, `${chamber}-${one.sequence}`, under(at, "id"));
  same(one.source, `/chambers/${chamber}${rehearsal ? "/rehearsal" : ""}`, under(at, "source"));
  same(one.subject, subject, under(at, "subject"));
}

/** The one event of a proof is a delegation's answer. */
export function checkVoteEvent({ file: { event: one }, found: { log } }) {
  checkEvent(one, "/event", log);
  if (!isVote(one)) throw new Difference("/event/type", one.type, form("event.vote"));
}

// ---- what follows from the events

/** The events are one roll call from its scheduling to its closing, without gaps; each
 * follows from those before; counted again, they come to the result proclaimed. */
export function checkHistory({ file: { events }, found }) {
  events.forEach((one, index) => {
    const at = under("/events", index);
    checkEvent(one, at, found.log);
    same(one.rollcall, events[0].rollcall, under(at, "rollcall"));
    same(one.rollcallversion, index + 1, under(at, "rollcallversion"));
  });
  const count = recount(events);
  if (count.phase !== "closed") {
    throw new Difference(under("/events", events.length), undefined, form("event.closed"));
  }
  same(count.roll.rehearsal, found.log.rehearsal, "/events/0/data/rehearsal");
  found.count = count;
}

/** Tally, votes and result of the file are those that were counted. */
export function checkResult({ file, found: { count, log } }) {
  const closing = file.events.at(-1);
  same(file.chamber, log.chamber, "/chamber");
  same(file.roll_call, closing.rollcall, "/roll_call");
  const { roll, votes } = count;
  const { outcome, counts, announced } = closing.data;
  const seq = Number(closing.sequence);
  const tally = {
    type: "tally", chamber: file.chamber, roll_call: file.roll_call, title: roll.title,
    symbol: roll.symbol, epoch: file.epoch, seq, version: closing.rollcallversion,
    phase: "closed", rehearsal: roll.rehearsal, counts: count.counts,
    verdict: count.verdict, at: closing.time,
    ...(roll.imported ? { imported: roll.imported } : {}),
  };
  same(file.tally, tally, "/tally");
  const recorded = roll.members
    .filter((member) => votes.has(member))
    .map((member) => ({ delegation: member, ...votes.get(member) }));
  same(file.votes, recorded, "/votes");
  same(file.not_voting, roll.entitled.filter((code) => !votes.has(code)), "/not_voting");
  same(file.result, { outcome, counts, announced, seq, at: closing.time }, "/result");
}
