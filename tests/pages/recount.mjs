// Counts every roll call of a file again and prints where the count differs:
//     node recount.mjs cases.json
// with cases [{events, tally}], tally without `retracted`.

import { readFileSync } from "node:fs";
import { WEB } from "./tally.mjs";

const { dataOf, recount } = await import(new URL("verify/count.js", WEB));
const { same } = await import(new URL("verify/difference.js", WEB));

const differences = [];
const cases = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const [number, { events, tally }] of cases.entries()) {
  try {
    events.forEach((event, index) => dataOf(event, `/events/${index}`));
    const { phase, counts, verdict } = recount(events);
    same({ phase, counts, verdict }, tally, "");
  } catch (difference) {
    const { pointer, found, expected, message } = difference;
    differences.push({ number, pointer, message, counted: found, told: expected });
  }
}
console.log(JSON.stringify({ cases: cases.length, differences }));
