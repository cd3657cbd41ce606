// What playout servers hand over: JSON text, templateData XML, or an object. Pure but
// for the browser's own XML parser.

// f0, f1, ... in this order, which never changes; new names come at the end.
const ALIASES = [
  "vote", "title", "yes", "no", "abstain", "layout", "lang", "chamber", "absent", "result",
];
// How OGraf's data, written as its controllers like it, is called here.
const NAMES = { delayMs: "delay_ms" };
const FIGURES = new Set(["yes", "no", "abstain", "absent", "title", "result"]);

/** {name: value} from whatever `update` was given; {} when it makes no sense. */
export function readData(given) {
  if (given === null || given === undefined) return {};
  if (typeof given === "object") return named(given);
  const text = String(given).trim();
  try {
    return named(text.startsWith("<") ? fromXml(text) : JSON.parse(text));
  } catch {
    return {};
  }
}

/** What is a figure or a text to show, and what is an option: {shown, options}. */
export function sorted(data) {
  const entries = Object.entries(data);
  const pick = (wanted) => Object.fromEntries(
    entries.filter(([name]) => FIGURES.has(name) === wanted),
  );
  return { shown: pick(true), options: pick(false) };
}

/** f0, f1, ... (also ccg_f0) are the names in ALIASES' order. */
function named(data) {
  const found = {};
  for (const [name, value] of Object.entries(data ?? {})) {
    const place = /^(?:ccg_)?f(\d+)$/.exec(name)?.[1];
    const key = place === undefined ? (NAMES[name] ?? name) : ALIASES[Number(place)];
    // SPX before 1.4.1 writes the words for an empty field.
    if (key && value !== "undefined" && value !== "null") found[key] = value;
  }
  return found;
}

function fromXml(text) {
  const found = {};
  const parsed = new DOMParser().parseFromString(text, "application/xml");
  for (const component of parsed.querySelectorAll("componentData")) {
    const data = component.querySelector("data");
    if (data) found[component.id] = data.getAttribute("value") ?? "";
  }
  return found;
}
