// What the page's verifier says of every file in a list:
//     node verify.mjs files.json
// with files [text, ...]; prints [{state, pointer, found, expected}, ...].

import { readFileSync } from "node:fs";
import { WEB } from "./tally.mjs";

const { findTools } = await import(new URL("verify/tools.js", WEB));
const { verify } = await import(new URL("verify/verify.js", WEB));

const tools = await findTools();
const answers = [];
for (const text of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const { state, difference } = await verify(new TextEncoder().encode(text), tools);
  const { pointer = null, found = null, expected = null } = difference ?? {};
  answers.push({ state, pointer, found, expected: expected?.name ?? expected });
}
console.log(JSON.stringify(answers));
