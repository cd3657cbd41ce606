// Every word of the pages in the six official languages: words/<language>.json, which
// the gateway reads too. `{x}` is filled in; an object has a form for each CLDR plural
// category of `n`. Names of states are not here: they come from the gateway's reviewed
// table.

import ar from "./words/ar.json" with { type: "json" };
import en from "./words/en.json" with { type: "json" };
import es from "./words/es.json" with { type: "json" };
import fr from "./words/fr.json" with { type: "json" };
import ru from "./words/ru.json" with { type: "json" };
import zh from "./words/zh.json" with { type: "json" };

export const WORDS = { en, fr, es, ru, ar, zh };
