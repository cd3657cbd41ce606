// How the regional groups vote: counts, how united each is, and what it can still be.

import { byId, element } from "../dom.js";
import { silentLabel } from "../verdict.js";

const figure = (value) => (value === null ? "–" : value.toFixed(2));

export function paintGroups(groups, phase, language) {
  // Once nobody can answer any more there is nothing left to reach.
  const open = groups.some(({ cohesion_min: low, cohesion_max: high }) => low !== high);
  const heads = [
    ...["v.group", "yes", "no", "abstain"].map((key) => language.say(key)),
    silentLabel(phase, language),
    language.say("v.cohesion"),
    ...(open ? [language.say("v.bounds")] : []),
  ].map((textContent) => element("th", { textContent, scope: "col" }));
  const rows = groups.map((group) => row(group, open, language));
  byId("groups").replaceChildren(
    element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows),
  );
}

function row({ group, counts, cohesion, cohesion_min: low, cohesion_max: high }, open, language) {
  const key = `group.${group}`;
  const name = language.has(key) ? language.say(key) : group;
  const figures = [counts.yes, counts.no, counts.abstain, counts.not_voting];
  const cells = figures.map((number) =>
    element("td", { textContent: language.number(number) }));
  cells.push(element("td", { textContent: figure(cohesion), dir: "ltr" }));
  if (open) cells.push(element("td", {}, range(low, high, cohesion)));
  return element("tr", {}, element("th", { textContent: name, scope: "row" }), ...cells);
}

/** From 0 to 1: what can be reached as a bar, where it stands as a tick, and in figures. */
function range(low, high, now) {
  const reach = element("span", { class: "reach" });
  reach.style.insetInlineStart = `${100 * (low ?? 0)}%`;
  reach.style.inlineSize = `${100 * ((high ?? 0) - (low ?? 0))}%`;
  const track = element("span", { class: "scale", attributes: { "aria-hidden": "true" } }, reach);
  if (now !== null) {
    const tick = element("span", { class: "tick" });
    tick.style.insetInlineStart = `${100 * now}%`;
    track.append(tick);
  }
  const text = low === high ? figure(low) : `${figure(low)}–${figure(high)}`;
  return element("span", { class: "range" }, track,
    element("bdi", { textContent: text, dir: "ltr" }));
}
