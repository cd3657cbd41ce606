// Elements without markup: titles and names are data and only ever become text.

/** An element; `properties` are set as they are, but for class, data and attributes. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  const { class: names, data = {}, attributes = {}, ...rest } = properties;
  if (names) made.className = names;
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  Object.assign(made, rest);
  made.append(...children);
  return made;
}

/** Set an element's text; null hides it. Untouched when it says so already. */
export function say(target, text) {
  target.hidden = text === null || text === "";
  if (target.textContent !== (text ?? "")) target.textContent = text ?? "";
}

export const byId = (id) => document.getElementById(id);

export const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** JSON from the gateway, until the signal aborts. Throws Refused with the problem's
 * code, or what fetch throws. */
export async function getJson(address, signal) {
  const headers = { Accept: "application/json" };
  const answer = await fetch(address, { headers, signal });
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, problem.code ?? "", problem.detail ?? "");
}

export class Refused extends Error {
  constructor(status, code, detail) {
    super(detail || `HTTP ${status}`);
    this.status = status;
    this.code = code;
  }
}
