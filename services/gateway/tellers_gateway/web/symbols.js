// The shapes of a vote, so that colour is never alone: ✓ yes, ✕ no, ○ abstain, – none.

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  yes: "M4.5 12.5 9.75 17.75 19.5 7",
  no: "M6.25 6.25 17.75 17.75M17.75 6.25 6.25 17.75",
  abstain: "M12 5.75a6.25 6.25 0 1 1 0 12.5a6.25 6.25 0 1 1 0-12.5Z",
  none: "M6.5 12H17.5",
  barred: "M8 16 16 8",
};

/** A chip in the vote's colour with its shape; for the eye only. */
export function chip(kind) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "chip");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "path"));
  paintChip(svg, kind);
  return svg;
}

/** Give a chip another vote. */
export function paintChip(svg, kind) {
  svg.dataset.vote = kind;
  svg.firstChild.setAttribute("d", PATHS[kind]);
}
