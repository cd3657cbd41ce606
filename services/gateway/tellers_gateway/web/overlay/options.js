// How an overlay is set: by its address, by the block of settings in its own file, or by
// what a playout server hands over. Unknown names and values are passed over: an overlay
// must come up whatever is typed.

import { readDelay } from "../delay.js";
import { DIRECTIONS, isCurrent, isOff, oneOf, PALETTES, THEMES } from "../looks.js";

const LAYOUTS = new Set(["lower-third", "full", "members", "result", "ticker", "bug"]);
const LABELS = new Set(["code", "name"]);
const COLOUR = /^[0-9a-f]{6}$/i;
const KEEP_SECONDS = 600;
// Never by hand while it is on air: a rehearsal is asked for by the address alone.
const BY_ADDRESS = new Set(["rehearsal"]);

function whole(value, highest, otherwise) {
  const number = Number(value);
  const fits = value !== null && Number.isSafeInteger(number) && number >= 0;
  return fits ? Math.min(number, highest) : otherwise;
}

/**
 * `query`: URLSearchParams; `path`: /overlay/{chamber}/{id} or any other; `settings`:
 * {name: text} written into the file, weaker than the query; `typed`: {name: value} from
 * a playout server, stronger than both.
 */
export function readOptions(query, path, settings = {}, typed = {}) {
  const ask = (name) => {
    const hand = BY_ADDRESS.has(name) ? undefined : typed[name];
    if (hand !== undefined && hand !== "") return String(hand);
    return query.get(name) ?? settings[name] ?? null;
  };
  const [, page, fromPath, idFromPath] = path.split("/").map(decodeURIComponent);
  const served = page === "overlay";
  const id = ask("vote") ?? (served ? idFromPath : null) ?? "current";
  const current = isCurrent(id, ask("follow"));
  const chroma = ask("chroma")?.replace(/^#/, "") ?? "";
  return {
    chamber: ask("chamber") ?? (served ? fromPath : null) ?? "ga",
    rollCall: current ? null : id,
    endpoint: ask("endpoint") ?? "",
    offline: ask("offline") === "1",
    rehearsal: ask("rehearsal") === "1",
    lang: ask("lang") ?? "en",
    dir: oneOf(DIRECTIONS, ask("dir"), ""),
    layout: oneOf(LAYOUTS, ask("layout"), "lower-third"),
    theme: oneOf(THEMES, ask("theme"), "dark"),
    palette: oneOf(PALETTES, ask("palette"), "board"),
    labels: oneOf(LABELS, ask("labels"), ""),
    symbols: !isOff(ask("symbols")),
    animate: !isOff(ask("animate")),
    safe: ask("safe") === "1",
    stamp: ask("stamp") === "1",
    chroma: COLOUR.test(chroma) ? `#${chroma}` : "",
    delayMs: readDelay(ask("delay_ms")),
    keepSeconds: whole(ask("keep_s"), 86_400, KEEP_SECONDS),
  };
}

/** Whether the other options are of another vote: what is on air must begin anew. */
export function isOther(before, after) {
  return ["endpoint", "chamber", "rollCall", "offline"].some(
    (name) => before[name] !== after[name],
  );
}
