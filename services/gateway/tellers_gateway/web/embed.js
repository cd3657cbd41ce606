// The tally in a frame: one widget that fills it. Works in an opaque origin: no cookies,
// no storage.

import { byId, Refused, say } from "./dom.js";
import { tellClicks, tellHeight } from "./height.js";
import { speak } from "./language.js";
import { isCurrent, readLook } from "./looks.js";
import { Source } from "./source.js";
import { marked } from "./verdict.js";
import { Widget } from "./widget.js";

const root = document.documentElement;
const [, , chamber, rollCall] = location.pathname.split("/").map(decodeURIComponent);
const query = new URLSearchParams(location.search);
const look = readLook((name) => query.get(name));
if (look.theme) root.dataset.theme = look.theme;
const language = speak();
const current = isCurrent(rollCall, query.get("follow"));
const source = Source.of(location.href, chamber, current ? null : rollCall);
const widget = new Widget(byId("embed"), language, {
  look,
  base: location.href,
  current,
  skew: () => source.skew,
  painted: (tally) => {
    const title = language.say("embed_title", { title: tally.title });
    document.title = marked(title, tally, language);
  },
});

function take(tally) {
  say(byId("message"), "");
  widget.take(tally);
}

function linked(state) {
  root.dataset.state = state.name;
  widget.linked(state);
}

function excuse(error) {
  if (!widget.isEmpty) return; // the last good figures stay
  const known = error instanceof Refused && language.has(error.code);
  root.dataset.state = known ? "missing" : "away";
  const id = error.code === "unknown_chamber" ? chamber : rollCall;
  say(byId("message"), known ? language.say(error.code, { id }) : language.say("away"));
}

tellClicks(byId("embed"));
tellHeight(byId("embed"), `${chamber}/${rollCall}`);
source.join({ take, linked, excuse, restart: () => widget.restart() });
