// What a page may be asked for by its address, and the element by its attributes. Unknown
// values are passed over: the page comes up whatever is typed. Pure.

import { readDelay } from "./delay.js";

export const THEMES = new Set(["dark", "light"]);
export const PALETTES = new Set(["board", "cvd"]);
export const DIRECTIONS = new Set(["ltr", "rtl"]);
const WIDGETS = new Set(["full", "bug"]);

export const oneOf = (known, value, otherwise) => (known.has(value) ? value : otherwise);
export const isOff = (value) => value === "0" || value === "false";

/** Whether whatever is voted on now is asked for, instead of one roll call. */
export const isCurrent = (id, follow) =>
  id === "current" || follow === "current" || follow === "true";

/** How a widget looks; `ask(name)`: what was given by that name, or null. */
export function readLook(ask) {
  return {
    theme: oneOf(THEMES, ask("theme"), ""),
    dir: oneOf(DIRECTIONS, ask("dir"), ""),
    palette: oneOf(PALETTES, ask("palette"), "board"),
    symbols: isOff(ask("symbols")) ? "0" : "1",
    layout: oneOf(WIDGETS, ask("layout"), "full"),
    delay: readDelay(ask("delay_ms")),
  };
}
