// The page people link to: the result, who voted what, the groups, the moments, and the
// vote through time. `?seq=` is the state then; without it the page is live.

import { Announcer } from "./announcer.js";
import { Card } from "./card.js";
import { byId, element, getJson, Refused, say } from "./dom.js";
import { Feed } from "./feed.js";
import { offerLanguages, speak } from "./language.js";
import { originInWords } from "./origin.js";
import { chip } from "./symbols.js";
import { silentLabel } from "./verdict.js";

const RETRY_MS = 4_000;
const SPREAD_MS = 2_000;
// While votes come fast the lists follow at this pace; the figures follow at once.
const LISTS_MS = 1_000;
const KINDS = ["yes", "no", "abstain", "none"];
const FILES = [
  ["votes.csv", "CSV"], ["votes.xlsx", "XLSX"], ["votes.json", "JSON"],
  ["moments.atom", "Atom"],
];

const root = document.documentElement;
const [, , chamber, rollCall] = location.pathname.split("/").map(decodeURIComponent);
const language = speak();
const announcer = new Announcer(byId("aloud"), language);
const here = `/v1/${encodeURIComponent(chamber)}/roll-calls/${encodeURIComponent(rollCall)}`;
let card = null;
let newest = null; // the tally now
let points = []; // the vote through time
let then = new URLSearchParams(location.search).get("seq"); // null: live
let listing = 0;

const read = (path, query = {}) =>
  getJson(`${here}${path}?${new URLSearchParams({ lang: language.code, ...query })}`);

async function begin() {
  try {
    await refresh();
  } catch (error) {
    excuse(error);
    setTimeout(begin, RETRY_MS + Math.random() * SPREAD_MS);
    return;
  }
  say(byId("trouble"), "");
  for (const section of document.querySelectorAll("main > section")) section.hidden = false;
  follow();
}

function follow() {
  const feed = new Feed({
    chamber,
    rehearsal: newest.rehearsal,
    wishes: [{ feed: "tally", roll_call: rollCall }],
    on: { tally: take, state: showState, restart: again, refused: again },
  });
  feed.start();
}

function again() {
  setTimeout(begin, Math.random() * SPREAD_MS);
}

/** A newer tally: the card at once, the lists when they are due. */
function take(tally) {
  const before = newest;
  newest = tally;
  if (then === null) {
    card.paint(tally);
    if (before) announcer.tell(before, tally);
  }
  listing ||= setTimeout(() => {
    listing = 0;
    refresh().catch(() => {}); // the last good lists stay; the next tally asks again
  }, LISTS_MS);
}

/** Fetch and paint everything as of `then`. */
async function refresh() {
  const asked = then;
  const at = asked === null ? {} : { as_of: asked };
  const [full, through, groups, told] = await Promise.all([
    read("", at), read("/timeline"), read("/groups", at), read("/moments", at),
  ]);
  if (asked !== then) return; // the reader has gone on
  points = through.points;
  if (asked === null || newest === null) newest = full;
  paintCard(full);
  paintVotes(full);
  paintGroups(groups.groups, full.phase);
  paintMoments(told.moments);
  paintTime(full);
}

function paintCard(full) {
  if (card === null) {
    card = new Card(full, language);
    byId("place").append(card.root);
    card.link.href = `/board/${encodeURIComponent(chamber)}/${encodeURIComponent(rollCall)}`;
  }
  card.paint(full);
  byId("certificate").hidden = full.phase !== "closed";
  say(byId("origin"), originInWords(full, language));
  // It was recorded at once: there is nothing to see of the vote's own course.
  for (const part of document.querySelectorAll("[data-live]")) {
    part.hidden = Boolean(full.imported);
  }
}

function paintVotes({ votes, members, phase }) {
  const answers = new Map(votes.map((line) => [line.delegation, line]));
  const lists = KINDS.map((kind) => {
    const of = members.filter(
      ({ delegation, entitled }) =>
        entitled && (answers.get(delegation)?.vote ?? "none") === kind,
    );
    const label = kind === "none" ? silentLabel(phase, language) : language.say(kind);
    const title = element(
      "h3", {}, chip(kind), element("span", { textContent: `${label} ` }),
      element("span", { class: "figures", textContent: language.number(of.length) }),
    );
    const items = of.map(({ delegation, name }) => {
      const item = element("li", { textContent: name, data: { delegation } });
      item.toggleAttribute("data-changed", answers.get(delegation)?.changed === true);
      return item;
    });
    return element("section", {}, title, element("ul", {}, ...items));
  });
  byId("votes").replaceChildren(...lists);
  filter();
}

const plain = (text) =>
  text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase(language.code);

function filter() {
  const wanted = plain(byId("find").value.trim());
  for (const item of byId("votes").querySelectorAll("li")) {
    const known = [item.textContent, item.dataset.delegation].map(plain);
    item.hidden = wanted !== "" && !known.some((text) => text.includes(wanted));
  }
}

function paintGroups(groups, phase) {
  const heads = [
    ...["v.group", "yes", "no", "abstain"].map((key) => language.say(key)),
    silentLabel(phase, language),
    language.say("v.cohesion"),
  ].map((textContent) => element("th", { textContent, scope: "col" }));
  const rows = groups.map(({ group, counts, cohesion, cohesion_min: low, cohesion_max: high }) => {
    const key = `group.${group}`;
    const name = language.has(key) ? language.say(key) : group;
    const figures = [counts.yes, counts.no, counts.abstain, counts.not_voting];
    const cells = figures.map((figure) =>
      element("td", { textContent: language.number(figure) }));
    const united = cohesion === null ? "" : cohesion.toFixed(2);
    const range = low !== null && low !== high ? ` (${low.toFixed(2)}–${high.toFixed(2)})` : "";
    cells.push(element("td", { textContent: `${united}${range}`, dir: "ltr" }));
    return element(
      "tr", {}, element("th", { textContent: name, scope: "row" }), ...cells,
    );
  });
  byId("groups").replaceChildren(
    element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows),
  );
}

function paintMoments(told) {
  byId("moments").replaceChildren(
    ...told.map(({ at, headline }) =>
      element(
        "li", {},
        element("time", { dateTime: at, textContent: language.time(at) }),
        element("span", { textContent: headline }),
      ),
    ),
  );
}

function paintTime(full) {
  const scrubber = byId("scrubber");
  const place = points.findLastIndex(({ seq }) => seq <= full.seq);
  scrubber.max = points.length - 1;
  if (document.activeElement !== scrubber || then === null) scrubber.value = place;
  const point = points[place];
  const figures = language.say("v.figures", point);
  scrubber.setAttribute("aria-valuetext", `${language.time(point.at)}, ${figures}`);
  const words = then === null
    ? figures
    : `${language.say("v.then", { time: language.time(point.at) })}: ${figures}`;
  say(byId("then"), words);
  byId("latest").hidden = then === null;
}

/** Go to a place in time; null is live. The address names it, to be linked to. */
function goTo(seq) {
  then = seq;
  const address = new URL(location.href);
  if (seq === null) address.searchParams.delete("seq");
  else address.searchParams.set("seq", seq);
  history.replaceState(null, "", address);
  refresh().catch(() => {}); // what is shown stays, with its own time beside it
}

let scrubbing = 0;
byId("scrubber").addEventListener("input", ({ target }) => {
  const place = Number(target.value);
  clearTimeout(scrubbing);
  const last = place === points.length - 1;
  scrubbing = setTimeout(() => goTo(last ? null : points[place].seq), 120);
});
byId("latest").addEventListener("click", () => goTo(null));
byId("find").addEventListener("input", filter);

async function offerComparisons() {
  const page = await getJson(`/v1/${encodeURIComponent(chamber)}/roll-calls?limit=100`);
  const others = page.items.filter(({ roll_call: id }) => id !== rollCall);
  byId("nothing-to-compare").hidden = others.length > 0;
  byId("other").hidden = others.length === 0;
  byId("other").replaceChildren(
    new Option("–", ""),
    ...others.map(({ roll_call: id, title }) => new Option(`${title} (${id})`, id)),
  );
}

byId("other").addEventListener("change", async ({ target }) => {
  if (target.value === "") {
    byId("moved").replaceChildren();
    return;
  }
  const found = await read(`/compare/${encodeURIComponent(target.value)}`);
  const lines = found.moved.map(({ name, before, now }) =>
    language.say("v.moved", {
      name, before: language.say(`vote.${before}`), now: language.say(`vote.${now}`),
    }));
  if (lines.length === 0) lines.push(language.say("v.nobody_moved"));
  byId("moved").replaceChildren(
    ...lines.map((textContent) => element("li", { textContent })),
  );
});

function showState({ name }) {
  root.dataset.state = name;
  say(byId("link"), language.say(`state.${name}`));
}

function excuse(error) {
  if (card !== null) return; // the last good figures stay
  const known = error instanceof Refused && language.has(error.code);
  root.dataset.state = known ? "missing" : "away";
  const id = error.code === "unknown_chamber" ? chamber : rollCall;
  say(byId("trouble"), known ? language.say(error.code, { id }) : language.say("away"));
}

for (const [file, label] of FILES) {
  byId("downloads").append(
    element("a", { href: `${here}/${file}?lang=${language.code}`, textContent: label }),
  );
}
byId("certificate").href = `${here}/certificate`;
byId("find").placeholder = language.say("v.find");
byId("find").setAttribute("aria-label", language.say("v.find"));
const frame = new URL(`/embed/${chamber}/${rollCall}?lang=${language.code}`, location.href);
byId("snippet").textContent =
  `<iframe src="${frame}" title="Tellers" width="100%" height="420" loading="lazy" ` +
  'scrolling="no" frameborder="0" sandbox="allow-scripts allow-popups"></iframe>';
offerLanguages(byId("languages"), language.code);
offerComparisons().catch(() => {}); // it can be left out
begin();
