import assert from "node:assert/strict";
import { test } from "node:test";

import { messages } from "../../services/gateway/tellers_gateway/web/height.js";

const size = { width: 500, height: 1234, vote: "ga/a" };

test("ours and AMP's are always told, top-level height included", () => {
  const told = messages(size);
  assert.equal(told.length, 2);
  assert.ok(told.every(({ height }) => height === 1234));
});

test("WordPress is told only with its secret, within what it takes", () => {
  const told = messages({ ...size, secret: "abc123" }).at(-1);
  assert.deepEqual(told, { message: "height", value: 1000, secret: "abc123" });
  const low = messages({ ...size, height: 20, secret: "a" }).at(-1);
  assert.equal(low.value, 200);
  assert.equal(messages({ ...size, secret: "<script>" }).length, 2);
});

test("Datawrapper's dialect is spoken when it is asked for", () => {
  const told = messages({ ...size, dialect: "dw" }).at(-1);
  assert.deepEqual(told, { "datawrapper-height": { "ga/a": 1234 } });
});
