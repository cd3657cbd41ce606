import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { WEB } from "./tally.mjs";

const HERE = new URL("verify/", WEB);
const { readJson, Unreadable } = await import(new URL("json.js", HERE));
const { canonical } = await import(new URL("jcs.js", HERE));
const { fromBase64 } = await import(new URL("base64.js", HERE));
const { findTools } = await import(new URL("tools.js", HERE));
const { leafHash, nodeHash, rootOf, rootsOf, BadProof } =
  await import(new URL("merkle.js", HERE));
const { isMajority } = await import(new URL("majority.js", HERE));
const { readCheckpoint } = await import(new URL("note.js", HERE));
const { WORDS } = await import(new URL("words.js", HERE));
const { WORDS: STATUS_WORDS } = await import(new URL("status/words.js", WEB));
const { WORDS: SHARED } = await import(new URL("words.js", WEB));

const bytes = (text) => new TextEncoder().encode(text);
const read = (text) => readJson(bytes(text));
const { sha256 } = await findTools();

describe("JSON", () => {
  test("is read as JSON.parse reads it", () => {
    for (const text of [
      "0", "-7", " [ ] ", '{"a":[1,{"b":null}],"c":"\\u00e9\\n\\ud83d\\ude00/\\/"}',
      '["\u2028", true, false]', '{"__proto__":{"x":1},"toString":2}', "9007199254740991",
    ]) {
      assert.equal(JSON.stringify(read(text).value), JSON.stringify(JSON.parse(text)), text);
      assert.equal(read(text).difference, null);
    }
  });

  test("what JSON.parse refuses is unreadable, with its place", () => {
    for (const text of [
      "", " ", "{", "[1,]", '{"a":1,}', "{a:1}", "tru", "01", "+1", ".5", "1.", "NaN",
      '"\t"', '"\\x"', '"\\u12"', '"', "[1] 2", "'a'", "1e", "\u00a0 1",
    ]) {
      assert.throws(() => JSON.parse(text), text);
      assert.throws(() => read(text), { reason: "json" }, text);
    }
    assert.throws(() => read('{\n "a": x}'), (error) =>
      error instanceof Unreadable && error.values.line === 2 && error.values.column === 7);
  });

  test("depth, size and encoding have limits", () => {
    const deep = (levels) => "[".repeat(levels) + "]".repeat(levels);
    assert.ok(read(deep(64)));
    assert.throws(() => read(deep(65)), { reason: "depth" });
    assert.throws(() => read("[".repeat(200_000)), { reason: "depth" });
    assert.throws(() => readJson(new Uint8Array(16 * 1024 * 1024 + 1)), { reason: "size" });
    assert.throws(() => readJson(Uint8Array.of(0x22, 0xff, 0x22)), { reason: "text" });
  });

  test("what two readers could take for two values is named by its member", () => {
    for (const [text, pointer] of [
      ['{"a":1,"a":1}', "/a"], ['{"a":{"b":1,"c/d~":2,"c/d~":2}}', "/a/c~1d~0"],
      ['[0,1.0]', "/1"], ['{"a":1e3}', "/a"], ['{"a":-0}', "/a"],
      ['{"a":9007199254740992}', "/a"], ['{"a":["x","\\ud800"]}', "/a/1"],
    ]) {
      assert.equal(read(text).difference.pointer, pointer, text);
    }
  });
});

describe("canonical JSON", () => {
  test("sorts by UTF-16 units and escapes as little as it may (RFC 8785, 3.2.3)", () => {
    const { value } = read(
      '{"\u20ac":1,"\\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}');
    assert.equal(canonical(value),
      '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}');
    assert.equal(canonical(read('[ "\\u000f\\u0009\\u00e9\\/\\"\\\\", null, -1 ]').value),
      '["\\u000f\\t\u00e9/\\"\\\\",null,-1]');
  });
});

describe("base64", () => {
  test("is taken in one spelling only", () => {
    assert.deepEqual([...fromBase64("AQI=")], [1, 2]);
    for (const text of ["AQI", "AQJ=", "AQI= ", " AQI=", "AQ I=", "AQI-", "_QI=", "=", "é"]) {
      assert.equal(fromBase64(text), null, text);
    }
  });
});

describe("trees", () => {
  const leaves = [];
  const root = async (start, end) => {
    if (end - start === 1) return leaves[start];
    let half = 1;
    while (half * 2 < end - start) half *= 2;
    return nodeHash(await root(start, start + half), await root(start + half, end), sha256);
  };

  test("hashes are those of RFC 9162", async () => {
    // SHA-256 of a single zero byte: the leaf of an empty entry.
    assert.equal(await leafHash(new Uint8Array(), sha256),
      "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=");
    for (let n = 0; n < 13; n += 1) leaves.push(await leafHash(bytes(`event ${n}`), sha256));
  });

  test("leaves and proof lead to the root, or say why not", async () => {
    const known = [0, 4, 5].map((index) => ({ index, hash: leaves[index] }));
    const proof = [leaves[1], await root(2, 4), await root(6, 8), await root(8, 13)];
    assert.equal(await rootOf(13, known, proof, sha256), await root(0, 13));
    await assert.rejects(rootOf(13, known, proof.slice(1), sha256), BadProof);
    await assert.rejects(rootOf(13, known, [...proof, leaves[0]], sha256), BadProof);
    assert.notEqual(await rootOf(13, known, proof.reverse(), sha256), await root(0, 13));
  });

  test("growth from 6 to 13, as RFC 9162 writes the proof", async () => {
    const proof = [await root(4, 6), await root(6, 8), await root(0, 4), await root(8, 13)];
    const expected = { old: await root(0, 6), new: await root(0, 13) };
    assert.deepEqual(await rootsOf(6, 13, expected.old, proof, sha256), expected);
    await assert.rejects(rootsOf(6, 13, expected.old, proof.slice(1), sha256), BadProof);
  });
});

test("a fraction is over 0 and at most 1, and not more than all", () => {
  for (const fraction of ["1/2", "1000/1000", "0001/0002"]) assert.ok(isMajority(fraction, false));
  for (const fraction of ["0/1", "1/0", "3/2", "1/1001", "1.5/2", " 1/2", "١/٢", "00001/2", ""]) {
    assert.ok(!isMajority(fraction, false), fraction);
  }
  assert.ok(!isMajority("3/3", true));
});

test("a checkpoint is read to the last line", () => {
  const hash = `${"A".repeat(43)}=`;
  const line = `\u2014 log/ga ${btoa("\0".repeat(68))}`;
  const text = `log/ga\n7\n${hash}\nepoch k3v9\n\n${line}\n`;
  assert.equal(readCheckpoint(text, "/checkpoint").size, 7);
  for (const [from, to] of [
    ["\n7\n", "\n07\n"], ["\n7\n", "\n0\n"], ["epoch k3v9", "epoch"], ["\u2014", "-"],
    ["epoch k3v9", "epoch k3v9\nmore"], [`${line}\n`, line], [hash, hash.slice(1)],
    ["epoch k3v9\n", ""], ["\n\n", "\n"], ["log/ga\n7", "log ga\n7"], [line, ""],
  ]) {
    assert.throws(() => readCheckpoint(text.replace(from, to), "/checkpoint"),
      { pointer: "/checkpoint" }, to);
  }
});

test("without WebCrypto nothing is promised", async () => {
  const subtle = globalThis.crypto.subtle;
  assert.notEqual((await findTools(subtle)).ed25519, null);
  const old = { digest: subtle.digest.bind(subtle), importKey: () => Promise.reject(Error()) };
  assert.equal((await findTools(old)).ed25519, null);
  assert.deepEqual(await findTools(null), { sha256: null, ed25519: null });
  const lying = { ...old, importKey: async () => ({}), verify: async () => false };
  assert.equal((await findTools(lying)).ed25519, null);
});

describe("words", () => {
  for (const [page, words] of Object.entries({ verify: WORDS, status: STATUS_WORDS })) {
    test(`every language says everything: ${page}`, () => {
      assert.deepEqual(Object.keys(words), Object.keys(SHARED));
      const holes = (said) => [...new Set(JSON.stringify(said).match(/\{\w+\}/g) ?? [])].sort();
      for (const code of Object.keys(words)) {
        assert.deepEqual(Object.keys(words[code]), Object.keys(words.en), code);
        const needed = new Intl.PluralRules(code).resolvedOptions().pluralCategories;
        for (const [key, said] of Object.entries(words[code])) {
          assert.deepEqual(holes(said), holes(words.en[key]), `${code} ${key}`);
          if (typeof said === "string") continue;
          assert.deepEqual(Object.keys(said).sort(), [...needed].sort(), `${code} ${key}`);
        }
      }
    });
  }

  test("there are words for every form, and none that nobody says", () => {
    const source = readdirSync(HERE).filter((name) => name.endsWith(".js"))
      .map((name) => readFileSync(new URL(name, HERE), "utf8")).join("\n");
    const named = (pattern) => new Set([...source.matchAll(pattern)].map(([, name]) => name));
    const forms = named(/(?:form|kind|written)\("([\w.]+)"/g);
    for (const name of named(/refuse\([^;]*"(\w+)"\);/g)) forms.add(name);
    for (const name of named(/late \? "(\w+)"/g)) forms.add(name);
    const worded = Object.keys(WORDS.en).filter((key) => key.startsWith("form."));
    assert.deepEqual([...forms].sort(), worded.map((key) => key.slice(5)).sort());
  });
});
