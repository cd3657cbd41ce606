// Who voted what: a list for each answer, that one can search and order.

import { byId, element } from "../dom.js";
import { chip } from "../symbols.js";
import { silentLabel } from "../verdict.js";
import { ordered, plain } from "./order.js";

const KINDS = ["yes", "no", "abstain", "none"];

export class Votes {
  #language;
  #full = null;

  constructor(language) {
    this.#language = language;
    const find = byId("find");
    find.placeholder = language.say("v.find");
    find.setAttribute("aria-label", language.say("v.find"));
    find.addEventListener("input", () => this.#filter());
    for (const order of ["name", "official", "time"]) {
      byId("order").append(new Option(language.say(`v.order.${order}`), order));
    }
    byId("order").setAttribute("aria-label", language.say("v.order"));
    byId("order").addEventListener("change", () => this.paint(this.#full));
  }

  paint(full) {
    this.#full = full;
    const { votes, members, phase, withheld } = full;
    if (withheld) {
      const textContent = this.#language.say("withheld_names");
      byId("votes").replaceChildren(element("p", { textContent }));
      return;
    }
    const answers = new Map(votes.map((line) => [line.delegation, line]));
    const sorted = ordered(members, answers, byId("order").value, this.#language.code);
    const lists = KINDS.map((kind) => {
      const of = sorted.filter(
        ({ delegation, entitled }) =>
          entitled && (answers.get(delegation)?.vote ?? "none") === kind,
      );
      return this.#list(kind, of, answers, phase);
    });
    byId("votes").replaceChildren(...lists);
    this.#filter();
  }

  #list(kind, members, answers, phase) {
    const language = this.#language;
    const label = kind === "none" ? silentLabel(phase, language) : language.say(kind);
    const title = element(
      "h3", {}, chip(kind), element("span", { textContent: `${label} ` }),
      element("span", {
        class: "figures", textContent: language.number(members.length),
      }),
    );
    const items = members.map(({ delegation, name }) => {
      const item = element("li", { data: { delegation } },
        element("span", { textContent: name }));
      if (answers.get(delegation)?.changed) {
        item.append(" ", element("span", {
          class: "changed", textContent: "↻", title: language.say("changed"),
          attributes: { role: "img", "aria-label": language.say("changed") },
        }));
      }
      return item;
    });
    return element("section", {}, title, element("ul", {}, ...items));
  }

  #filter() {
    const wanted = plain(byId("find").value.trim(), this.#language.code);
    for (const item of byId("votes").querySelectorAll("li")) {
      const known = [item.firstChild.textContent, item.dataset.delegation];
      item.hidden = wanted !== "" &&
        !known.some((text) => plain(text, this.#language.code).includes(wanted));
    }
  }
}
