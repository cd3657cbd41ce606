// Sends what waits, one entry after the other, and keeps it in this tab until recorded.

import { newKey, request } from "./api.js";
import * as lines from "./queue.js";

const PAUSE_MS = 700;

export class Sender {
  /**
   * @param {string} path of the roll call
   * @param {object} roll as read from there; `votes` and `version` are kept up to date
   * @param {() => void} changed called when anything is to be painted anew
   * @param {() => void} refused called when the token is no longer good
   */
  constructor(path, roll, changed, refused) {
    Object.assign(this, { path, roll, changed, refused, offline: false, busy: false });
    this.queue = JSON.parse(sessionStorage.getItem(`tellers.queue.${path}`)) ?? lines.empty;
  }

  enter(delegation, vote) {
    this.keep(lines.enqueue(this.queue, this.roll.votes, delegation, vote, newKey()));
    this.run();
  }

  keep(queue) {
    this.queue = queue;
    sessionStorage.setItem(`tellers.queue.${this.path}`, JSON.stringify(queue));
    this.changed();
  }

  /** Read the roll call anew; nothing the clerk types is touched. */
  async reload() {
    const roll = await request("GET", this.path);
    if (roll?.status === 401) this.refused();
    if (roll?.status !== 200 || roll.version < this.roll.version) return false;
    this.roll = roll;
    this.changed();
    return true;
  }

  async run() {
    if (this.busy) return;
    this.busy = true;
    while (this.queue.waiting.length && (await this.step()));
    this.busy = false;
  }

  async step() {
    const [entry] = this.queue.waiting;
    if (lines.conflicts(entry, this.roll.votes)) {
      const theirs = this.roll.votes[entry.delegation] ?? "none";
      this.keep(lines.putAside(this.queue, { code: "conflict", theirs }));
      return true;
    }
    const answer = await this.send(entry);
    const next = lines.after(answer);
    this.offline = next === "again";
    if (next === "done") this.recorded(entry, answer);
    if (next === "trouble") this.keep(lines.putAside(this.queue, { code: "refused", why: answer.detail }));
    if (next === "token") this.refused();
    const waits = next === "again" || (next === "reload" && !(await this.reload()));
    if (waits) {
      this.changed();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    return next !== "token";
  }

  send({ delegation, vote, key }) {
    const method = vote === null ? "DELETE" : "PUT";
    const body = vote === null ? undefined : { vote };
    const { version } = this.roll;
    return request(method, `${this.path}/votes/${delegation}`, { body, key, version });
  }

  recorded({ delegation, vote }, answer) {
    const votes = { ...this.roll.votes };
    if (vote === null) delete votes[delegation];
    else votes[delegation] = vote;
    const version = Math.max(this.roll.version, answer.version);
    this.roll = { ...this.roll, votes, version };
    this.keep(lines.taken(this.queue));
  }
}
