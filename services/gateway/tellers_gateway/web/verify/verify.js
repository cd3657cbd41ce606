// A certificate, an inclusion proof or a consistency proof: everything in it computed
// again, in this order, until something differs. Pure but for the tools it is given.

import {
  checkAlone, checkCheckpoint, checkForm, checkGrowth, checkHistory, checkKey, checkLeaves,
  checkMadeUp, checkResult, checkRoot, checkSignature, checkSigned, checkVoteEvent,
  checkWitnesses,
} from "./checks.js";
import { Difference } from "./difference.js";
import { readJson, Unreadable } from "./json.js";

/** The steps of docs/certificate.md, in their order. */
const beginning = (kind) => ({
  json: ({ difference }) => {
    if (difference !== null) throw difference;
  },
  form: (it) => checkForm(it, kind),
  key: checkKey,
});
const signedOnce = {
  checkpoint: (it) => checkCheckpoint(it, "checkpoint"),
  signature: (it) => checkSignature(it, "checkpoint"),
  witnesses: (it) => checkWitnesses(it, "checkpoint"),
  signed: checkSigned,
};
const CHECKS = {
  certificate: {
    ...beginning("certificate"),
    ...signedOnce,
    leaves: checkLeaves,
    root: checkRoot,
    history: checkHistory,
    result: checkResult,
  },
  inclusion: {
    ...beginning("inclusion"),
    ...signedOnce,
    leaf: checkLeaves,
    root: checkRoot,
    event: checkVoteEvent,
  },
  consistency: {
    ...beginning("consistency"),
    checkpoints: (it) => {
      checkCheckpoint(it, "old");
      checkCheckpoint(it, "new");
    },
    signatures: async (it) => {
      const old = await checkSignature(it, "old");
      return (await checkSignature(it, "new")) && old;
    },
    witnesses: (it) => {
      checkAlone(it);
      return checkWitnesses(it, "new");
    },
    signed: checkMadeUp,
    growth: checkGrowth,
  },
};
const TYPE = /^org\.tellers\.(certificate|inclusion|consistency)\.v1$/;

/**
 * What a file is worth.
 *
 * `bytes` is the file, `tools` what findTools() found. Resolves to {state, kind, checks,
 * difference, unreadable, facts}: state is "valid", "invalid", "unchecked" (nothing is
 * wrong, but this browser could not check everything) or "unreadable"; checks are [{name,
 * outcome}] in order, outcome "passed", "failed", "skipped" or "open" (behind the
 * failure); difference says where and what; facts are what may be shown of the file,
 * null unless it is valid or unchecked.
 */
export async function verify(bytes, tools) {
  const report = {
    state: "unreadable", kind: null, checks: [], difference: null, unreadable: null,
    facts: null,
  };
  const it = { tools, found: {} };
  try {
    const { value, difference } = readJson(bytes);
    Object.assign(it, { file: value, difference });
    report.kind = kindOf(it.file);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { ...report, unreadable: error };
  }
  for (const [name, check] of Object.entries(CHECKS[report.kind])) {
    const outcome = report.difference === null ? await outcomeOf(check) : "open";
    report.checks.push({ name, outcome });
  }
  const any = (outcome) => report.checks.some((check) => check.outcome === outcome);
  report.state = any("failed") ? "invalid" : any("skipped") ? "unchecked" : "valid";
  if (report.state !== "invalid") report.facts = factsOf(it);
  return report;

  async function outcomeOf(check) {
    try {
      return (await check(it)) === false ? "skipped" : "passed";
    } catch (error) {
      if (!(error instanceof Difference)) throw error;
      report.difference = error;
      return "failed";
    }
  }
}

function kindOf(file) {
  const type = file !== null && typeof file === "object" ? file.type : undefined;
  const [, kind] = TYPE.exec(typeof type === "string" ? type : "") ?? [];
  if (kind === undefined) {
    throw new Unreadable("type", { found: JSON.stringify(type ?? null) });
  }
  return kind;
}

function factsOf({ file, found }) {
  const checkpoint = found.checkpoint ?? found.new;
  return {
    ...found.log,
    origin: checkpoint.origin,
    size: checkpoint.size,
    oldSize: found.old?.size ?? null,
    fingerprint: found.fingerprint ?? null,
    madeUp: checkpoint.madeUp,
    witnesses: file.witnesses.map((vkey) => vkey.split("+")[0]),
    tally: file.tally ?? null,
    event: file.event ?? null,
  };
}
