// The import of votes: a dry run first, then all at once, on what the dry run saw.

import { command } from "./api.js";
import { desk, figures, nameOf, paragraph, roll, said, word } from "./desk.js";
import { ask, byId, make, say, STAYS } from "./paint.js";
import { BOOKS, decoded, read } from "./reading.js";
import { codesByName, dryRun, totals } from "./record.js";

export function importVotes() {
  const text = make("textarea", { id: "import-text", rows: 8 });
  const file = make("input", { type: "file", id: "import-file", accept: ".csv,.tsv,.txt,text/csv,text/plain" });
  const books = Object.keys(BOOKS).map((book) => make("option", { value: book, textContent: word(`book_${book}`) }));
  const book = make("select", { id: "import-book" }, ...books);
  const report = make("div", { id: "import-report", role: "status" });
  let run = null;
  const again = () => ((run = null), report.replaceChildren(), say(byId("ask-yes"), word("dryRun")));
  text.oninput = book.onchange = again;
  file.onchange = async () => ((text.value = decoded(new Uint8Array(await file.files[0].arrayBuffer()))), again());
  const label = (name, field) => make("label", {}, word(name), field);
  const body = [label("importLabel", text), label("file", file), label("book", book), report];
  const tryOut = () => {
    const tried = tryNow(text.value, book.value);
    again();
    report.replaceChildren(...reported(tried));
    if (tried.faults.length || !tried.votes.length) return;
    run = tried;
    say(byId("ask-yes"), word("importDo", { n: run.votes.length }));
  };
  ask(word("importTitle"), body, word("dryRun"), async () => {
    if (run) return send(run, tryOut);
    if (desk.sender.queue.waiting.length || !(await desk.sender.reload())) return word("confirmWaiting");
    tryOut();
    return STAYS;
  });
}

/** A dry run on the roll call as it is read now; `version` is what it rests on. */
function tryNow(text, book) {
  const { entitled, votes, version } = roll();
  return { ...dryRun(read(text, book), codesByName(desk.members), entitled, votes), before: votes, version };
}

function reported({ votes, faults, conflicts, before, after }) {
  const filled = { n: votes.length, before: figures(totals(before)), after: figures(after) };
  return [
    paragraph(word("importReady", filled)),
    ...faults.map(({ place, text, name }) =>
      paragraph(word("faultLine", { place, why: word(text), name }), "fault")),
    ...conflicts.map(({ delegation, vote, recorded }) =>
      paragraph(word(vote ? "importConflict" : "importAbsent", { name: nameOf(delegation), recorded: said(recorded), mine: said(vote) }))),
  ];
}

/** Send what the dry run showed; if anything was recorded since, show it anew and ask. */
async function send({ votes, before, version }, tryOut) {
  const answer = await command(`${desk.sender.path}/votes`, { votes }, version);
  await desk.sender.reload();
  if (answer === null) return word("networkDown");
  if (answer.code === "version_conflict") return tryOut(), word("importMoved");
  if (answer.status !== 200) return answer.detail;
  const batch = votes.map(({ delegation }) => ({ code: delegation, before: before[delegation] ?? null }));
  desk.past = [{ batch, since: Date.now() }, ...desk.past];
  byId("echo").textContent = word("importDone", { n: votes.length });
  desk.sender.changed();
  return null;
}
