// Who votes otherwise than in another roll call: live while this one runs, and as it
// was when the reader has gone back in time. `?with=` in the address names the other.

import { byId, element, say } from "../dom.js";

const ANSWERS = ["yes", "no", "abstain", null];
const OTHERS_AT_ONCE = 100;

export class Comparison {
  #language;
  #read;
  #asked = 0;

  /** `read(path)` fetches from this roll call, as of the place that is shown. */
  constructor(language, read) {
    this.#language = language;
    this.#read = read;
    byId("other").addEventListener("change", () => {
      const address = new URL(location.href);
      if (this.other) address.searchParams.set("with", this.other);
      else address.searchParams.delete("with");
      history.replaceState(null, "", address);
      this.refresh().catch(() => this.#clear());
    });
  }

  /** The roll call that is compared with, "" for none. */
  get other() {
    return byId("other").value;
  }

  /** Fill the choice; `list(limit)` fetches the chamber's roll calls. */
  async offer(list, here) {
    const { items } = await list(OTHERS_AT_ONCE);
    const others = items.filter(({ roll_call: id }) => id !== here);
    const asked = new URLSearchParams(location.search).get("with");
    byId("nothing-to-compare").hidden = others.length > 0 || asked !== null;
    byId("other").hidden = others.length === 0 && asked === null;
    const options = others.map(({ roll_call: id, symbol, title }) =>
      new Option([symbol, title].filter(Boolean).join(" · "), id));
    // An older one than those that are offered can still be linked to.
    if (asked && asked !== here && !others.some(({ roll_call: id }) => id === asked)) {
      options.push(new Option(asked, asked));
    }
    byId("other").replaceChildren(
      new Option(this.#language.say("v.choose"), ""), ...options,
    );
    if (asked && asked !== here) byId("other").value = asked;
    await this.refresh();
  }

  /** Fetch and paint it again. */
  async refresh() {
    const asked = (this.#asked += 1);
    if (!this.other) {
      this.#clear();
      return;
    }
    const found = await this.#read(`/compare/${encodeURIComponent(this.other)}`);
    if (asked === this.#asked) this.#paint(found);
  }

  #clear() {
    byId("comparison").hidden = true;
    byId("moved").replaceChildren();
  }

  #paint({ moved, silent_now: silent, new: fresh, same, flows }) {
    const language = this.#language;
    byId("comparison").hidden = false;
    const parts = [["v.moved_count", moved.length], ["v.same", same],
      ["v.silent_now", silent.length], ["v.new", fresh.length]];
    byId("comparison-figures").replaceChildren(
      ...parts.map(([key, n]) => element("li", { textContent: language.say(key, { n }) })),
    );
    this.#paintFlows(flows);
    byId("moved").replaceChildren(...moved.map((line) => element("li", {
      textContent: language.say("v.moved", {
        name: line.name,
        before: language.say(`vote.${line.before}`),
        now: language.say(`vote.${line.now}`),
      }),
    })));
    say(byId("nobody-moved"), moved.length === 0 ? language.say("v.nobody_moved") : "");
  }

  #paintFlows(flows) {
    const language = this.#language;
    const label = (answer) => language.say(answer ?? "none");
    const counts = new Map(flows.map(({ before, now, delegations }) =>
      [`${before} ${now}`, delegations]));
    const arrow = language.direction === "rtl" ? "←" : "→";
    const head = element("tr", {},
      element("th", {
        scope: "col",
        textContent: `${language.say("v.was")} ${arrow} ${language.say("v.now")}`,
      }),
      ...ANSWERS.map((now) => element("th", { scope: "col", textContent: label(now) })));
    const rows = ANSWERS.map((before) => element("tr", {},
      element("th", { scope: "row", textContent: label(before) }),
      ...ANSWERS.map((now) => {
        const number = counts.get(`${before} ${now}`) ?? 0;
        const kind = before === now ? "same" : number > 0 ? "differs" : "nobody";
        return element("td", {
          data: { kind }, textContent: number > 0 ? language.number(number) : "–",
        });
      })));
    byId("flows").replaceChildren(
      element("thead", {}, head), element("tbody", {}, ...rows),
    );
  }
}
