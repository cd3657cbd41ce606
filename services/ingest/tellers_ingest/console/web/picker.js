// A field that finds delegations while one types; arrows and Enter choose, or a click.

import { desk, word } from "./desk.js";
import { byId, make, say } from "./paint.js";
import { find, nearest, preselected } from "./search.js";

const shownAs = ({ name, code }) => `${name} (${code})`;

/** Who is found, where Enter points (-1: nowhere), and the word for what is to be done. */
function looked(text) {
  const found = find(desk.index, text);
  if (found.length) {
    const at = preselected(found);
    return { found, at, trouble: at < 0 ? "chooseFirst" : null };
  }
  const near = nearest(desk.index, text);
  return { found: near, at: -1, trouble: near.length ? "nearest" : text.trim() ? "nothing" : null };
}

/**
 * Make a field and the list below it one that finds delegations.
 * @param {(member: object) => void} choose
 * @param {(trouble: string | null) => void} say with every change
 * @returns {() => void} looks again at what stands in the field
 */
export function pick(input, list, choose, say) {
  let found = [], at = -1;
  const show = () => {
    const options = found.map((member, place) => {
      const option = make("li", { id: `${list.id}-${place}`, role: "option", textContent: shownAs(member) });
      option.setAttribute("aria-selected", String(place === at));
      option.addEventListener("click", () => choose(member));
      return option;
    });
    list.replaceChildren(...options);
    list.hidden = !options.length;
    input.setAttribute("aria-expanded", String(options.length > 0));
    if (at >= 0) input.setAttribute("aria-activedescendant", `${list.id}-${at}`);
    else input.removeAttribute("aria-activedescendant");
  };
  const look = () => {
    const { trouble, ...seen } = looked(input.value);
    ({ found, at } = seen);
    show();
    say(trouble && word(trouble));
  };
  input.addEventListener("input", look);
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!found.length || !(step || event.key === "Enter")) return;
    event.preventDefault(); // Enter sends no form as long as one is to be chosen
    if (step) {
      at = Math.min(Math.max(at + step, 0), found.length - 1);
      show();
    } else if (at >= 0) choose(found[at]);
  });
  return look;
}

/**
 * The same for one delegation that stays in the field.
 * @returns {() => (string | null | undefined)} its code; null: none; undefined: what
 *   stands there was not chosen
 */
export function pickOne(input, list, say) {
  let chosen = null;
  const look = pick(input, list, (member) => {
    input.value = "";
    look(); // nothing is to be found any more
    chosen = member;
    input.value = shownAs(member);
  }, say);
  return () => {
    const text = input.value.trim();
    if (!text) return null;
    if (chosen && text === shownAs(chosen)) return chosen.code;
    return desk.byCode.get(text.toUpperCase())?.code;
  };
}

/** Such a field, for a dialog. */
export function memberField(label, id) {
  const list = make("ul", { id: `${id}-found`, className: "found", role: "listbox", ariaLabel: label, hidden: true });
  const input = make("input", { id, role: "combobox", autocomplete: "off", spellcheck: false, ariaExpanded: "false", ariaAutoComplete: "list" });
  input.setAttribute("aria-controls", list.id);
  return { input, parts: [make("label", {}, label, input), list], code: pickOne(input, list, (trouble) => say(byId("ask-trouble"), trouble)) };
}
