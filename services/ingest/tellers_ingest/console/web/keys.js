// Which key means what. Pure: the shell asks and acts.

const ACTIONS = {
  y: "yes", 1: "yes",
  n: "no", 2: "no",
  a: "abstain", 3: "abstain",
  x: "skip",
  " ": "skip",
  backspace: "clear",
  u: "undo",
  "?": "help",
  "/": "search",
  r: "call",
  arrowleft: "left",
  arrowright: "right",
  arrowup: "up",
  arrowdown: "down",
};

/**
 * The action of a key, or null.
 * @param {{key: string, ctrlKey?: boolean, altKey?: boolean, metaKey?: boolean,
 *   repeat?: boolean}} pressed
 * @param {boolean} writing the focus is where one writes, chooses or presses a button
 */
export function actionOf(pressed, writing) {
  if (writing || pressed.ctrlKey || pressed.altKey || pressed.metaKey) return null;
  const action = ACTIONS[pressed.key.toLowerCase()] ?? null;
  // A key held down must not answer for the next members too.
  const moves = ["left", "right", "up", "down"].includes(action);
  return pressed.repeat && !moves ? null : action;
}
