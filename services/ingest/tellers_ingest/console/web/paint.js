// What the desk shows. Names and titles only ever become text.

const SHAPES = { yes: "✓", no: "✕", abstain: "○", none: "–", barred: "/" };
export const byId = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  const { data = {}, ...rest } = properties;
  Object.assign(made.dataset, data);
  Object.assign(made, rest);
  made.append(...children);
  return made;
}

export function say(target, text) {
  target.hidden = !text;
  if (target.textContent !== text) target.textContent = text ?? "";
}

export function lamp(vote) {
  return make("span", { className: "lamp", data: { vote }, textContent: SHAPES[vote], ariaHidden: "true" });
}

/** The tiles, made once in official order; they never move. */
export function makeGrid(list, members, choose) {
  list.style.setProperty("--rows", Math.ceil(members.length / 8));
  const tiles = members.map((member) => {
    const name = make("span", { textContent: member.name });
    const tile = make("li", { className: "tile", title: member.name, data: { code: member.code } }, lamp("none"), make("b", { textContent: member.code }), name);
    tile.addEventListener("click", () => choose(member.code));
    return [member.code, tile];
  });
  list.replaceChildren(...tiles.map(([, tile]) => tile));
  return new Map(tiles);
}

export function paintTile(tile, vote, word, { waiting, current }) {
  const light = tile.firstChild;
  if (light.dataset.vote !== vote) {
    light.dataset.vote = vote;
    light.textContent = SHAPES[vote];
  }
  tile.dataset.said = word; // on paper: shapes are for the screen
  tile.title = `${tile.lastChild.textContent}: ${word}`;
  tile.classList.toggle("waiting", waiting);
  if (current) tile.setAttribute("aria-current", "true");
  else tile.removeAttribute("aria-current");
}

/** A ring that fills while the entry may still be corrected unseen. */
export function ring(seconds, since) {
  const made = make("span", { className: "ring", ariaHidden: "true" });
  made.style.setProperty("--delay", `${seconds}s`);
  made.style.setProperty("--since", `${-Math.min(seconds, (Date.now() - since) / 1000)}s`);
  return made;
}

/** Of `confirm`: the dialog says itself what is wrong, or has become another question. */
export const STAYS = Symbol("stays");

/**
 * Ask in the dialog. `confirm` returns text or STAYS to stay open; without it there is
 * nothing to decide, only to close.
 */
export function ask(title, body, yes, confirm) {
  const dialog = byId("ask");
  let busy = false;
  byId("ask-title").textContent = title;
  byId("ask-body").replaceChildren(...body);
  say(byId("ask-trouble"), null);
  say(byId("ask-yes"), yes);
  byId("ask-no").hidden = !confirm;
  byId("ask-no").onclick = () => dialog.close();
  byId("ask-yes").onclick = async () => {
    if (busy) return; // pressed twice, it is sent once
    busy = true;
    const trouble = await confirm?.();
    busy = false;
    if (!trouble) return dialog.close();
    say(byId("ask-trouble"), trouble === STAYS ? null : trouble);
  };
  dialog.onkeydown = (event) => {
    if (event.key !== "Enter" || event.repeat || event.defaultPrevented || !event.target.matches("input:not([type=file])")) return;
    event.preventDefault();
    byId("ask-yes").click();
  };
  if (!dialog.open) dialog.showModal();
  byId(confirm ? "ask-no" : "ask-yes").focus();
}
