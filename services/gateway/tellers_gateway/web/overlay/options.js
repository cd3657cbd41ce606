// How an overlay is set: by its address, or by the block of settings in its own file.
// Unknown names and values are passed over: an overlay must come up whatever is typed.

const LAYOUTS = new Set(["lower-third", "full", "ticker", "bug"]);
const THEMES = new Set(["dark", "light"]);
const PALETTES = new Set(["board", "cvd"]);
const HIGHEST_DELAY_MS = 60_000;
const COLOUR = /^[0-9a-f]{6}$/i;
const KEEP_SECONDS = 600;

const oneOf = (known, value, otherwise) => (known.has(value) ? value : otherwise);

function whole(value, highest, otherwise) {
  const number = Number(value);
  const fits = value !== null && Number.isSafeInteger(number) && number >= 0;
  return fits ? Math.min(number, highest) : otherwise;
}

/**
 * `query`: URLSearchParams; `path`: /overlay/{chamber}/{id} or any other; `settings`:
 * {name: text} written into the file, weaker than the query.
 */
export function readOptions(query, path, settings = {}) {
  const ask = (name) => query.get(name) ?? settings[name] ?? null;
  const [, page, fromPath, idFromPath] = path.split("/").map(decodeURIComponent);
  const served = page === "overlay";
  const id = ask("vote") ?? (served ? idFromPath : null) ?? "current";
  const current = id === "current" || ask("follow") === "current";
  const chroma = ask("chroma")?.replace(/^#/, "") ?? "";
  return {
    chamber: ask("chamber") ?? (served ? fromPath : null) ?? "ga",
    rollCall: current ? null : id,
    endpoint: ask("endpoint") ?? "",
    rehearsal: ask("rehearsal") === "1",
    layout: oneOf(LAYOUTS, ask("layout"), "lower-third"),
    theme: oneOf(THEMES, ask("theme"), "dark"),
    palette: oneOf(PALETTES, ask("palette"), "board"),
    symbols: ask("symbols") !== "0",
    animate: ask("animate") !== "0",
    safe: ask("safe") === "1",
    stamp: ask("stamp") === "1",
    chroma: COLOUR.test(chroma) ? `#${chroma}` : "",
    delayMs: whole(ask("delay_ms"), HIGHEST_DELAY_MS, 0),
    keepSeconds: whole(ask("keep_s"), 86_400, KEEP_SECONDS),
  };
}
