// What is wrong now, and what of it the operator has acknowledged. Pure.

export class Alarms {
  #seen = new Set();

  /** `wrong`: key -> words, all that is wrong now; returns [{key, words, seen}]. What is
   * gone is forgotten: when it comes again it is new. */
  tell(wrong) {
    for (const key of this.#seen) if (!wrong.has(key)) this.#seen.delete(key);
    return [...wrong].map(([key, words]) => ({ key, words, seen: this.#seen.has(key) }));
  }

  acknowledge(key) {
    this.#seen.add(key);
  }
}
