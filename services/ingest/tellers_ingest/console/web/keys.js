// Which key means what. Pure: the shell asks and acts.

/** Letters for yes, no and abstain, as the clerk chose them; `none`: digits only. */
export const LETTERS = { yna: "yna", ona: "ona", sna: "sna", none: "" };
const VOTES = ["yes", "no", "abstain"];
const NAMED = {
  backspace: "clear",
  arrowleft: "left",
  arrowright: "right",
  arrowup: "up",
  arrowdown: "down",
};
const SINGLE = {
  1: "yes", 2: "no", 3: "abstain",
  x: "skip", " ": "skip",
  u: "undo",
  "?": "help",
  "/": "search",
  r: "call",
  f: "freeze",
};

/**
 * The action of a key, or null.
 * @param {{key: string, ctrlKey?: boolean, altKey?: boolean, metaKey?: boolean,
 *   repeat?: boolean}} pressed
 * @param {boolean} writing the focus is where one writes, chooses or presses a button
 * @param {{letters?: keyof LETTERS, single?: boolean}} choice `single` false: letters,
 *   digits and signs do nothing without Alt (WCAG 2.1.4)
 */
export function actionOf(pressed, writing, { letters = "yna", single = true } = {}) {
  if (pressed.ctrlKey || pressed.metaKey) return null;
  const key = pressed.key.toLowerCase();
  if (pressed.altKey && key === "l") return pressed.repeat ? null : "lock";
  // With Alt it is meant, wherever the focus is; without, only where nobody writes.
  if (pressed.altKey ? single : writing) return null;
  const at = LETTERS[letters].indexOf(key);
  const plain = at >= 0 && key.length === 1 ? VOTES[at] : (SINGLE[key] ?? null);
  const action = NAMED[key] ?? (single || pressed.altKey ? plain : null);
  // A key held down must not answer for the next members too.
  const moves = ["left", "right", "up", "down"].includes(action);
  return pressed.repeat && !moves ? null : action;
}
