// Verifies deliveries with the official library for JavaScript. In: a JSON list of
// {secret, headers, body}; out: a list of what each was verified as, or of the error.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Webhook } = createRequire(new URL("../web/package.json", import.meta.url))("standardwebhooks");

const verified = ({ secret, headers, body }) => {
  try {
    return { event: new Webhook(secret).verify(body, headers) };
  } catch (error) {
    return { refused: error.message };
  }
};
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(verified)));
