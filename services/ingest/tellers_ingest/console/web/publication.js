// What the public sees, and the desk's hand on it: how far the gateways are, the freeze,
// the delay.

import { command, request } from "./api.js";

/**
 * How publication stands. Pure.
 * @param {object | null} seen what ingest says of it; null: it cannot be asked
 * @returns {{level: "live" | "frozen" | "trouble", words: string, filled: object}}
 *   `words` names the sentence, `filled` is what stands in it
 */
export function standing(seen) {
  if (!seen || seen.status !== 200) return { level: "trouble", words: "publicUnknown", filled: {} };
  const { seq, frozen, gateways, delay_seconds: delay } = seen;
  const away = gateways.filter((gateway) => gateway.trouble);
  const answering = gateways.filter((gateway) => !gateway.trouble);
  const shown = Math.min(...answering.map((gateway) => gateway.seq ?? 0));
  const viewers = answering.reduce((sum, gateway) => sum + (gateway.viewers ?? 0), 0);
  const filled = { seq, shown, behind: seq - shown, viewers, delay, away: away.length };
  if (frozen) return { level: "frozen", words: answering.length ? "publicFrozen" : "publicFrozenOnly", filled };
  if (!gateways.length) return { level: "live", words: "publicRehearsal", filled };
  if (!answering.length) return { level: "trouble", words: "publicAway", filled };
  const held = answering.find((gateway) => gateway.held);
  if (held) return { level: "trouble", words: "publicHeld", filled: { ...filled, why: held.held } };
  if (away.length) return { level: "trouble", words: "publicSomeAway", filled };
  return { level: "live", words: delay ? "publicDelayed" : "publicLive", filled };
}

/** The publication of one chamber, or of its rehearsals. */
export class Publication {
  constructor(chamber, rehearsal, changed) {
    Object.assign(this, { chamber, rehearsal, changed, seen: null });
  }

  get frozen() {
    return this.seen?.frozen === true;
  }

  get delay() {
    return this.seen?.delay_seconds ?? 0;
  }

  async look() {
    const asked = `/v1/${this.chamber}/publication?rehearsal=${this.rehearsal}`;
    this.seen = await request("GET", asked);
    this.changed();
  }

  /** Freeze, or release; the answer, or null when nobody answered. */
  async say(what, reason = null) {
    const body = { rehearsal: this.rehearsal, ...(reason ? { reason } : {}) };
    const answer = await command(`/v1/${this.chamber}/publication/${what}`, body);
    await this.look();
    return answer;
  }
}
