// What this browser can compute: WebCrypto's SHA-256 and Ed25519, where there are any.

import { fromBase64 } from "./base64.js";

// RFC 8032, 7.1, test 1: the signature of nothing.
const KNOWN_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const KNOWN_SIGNATURE =
  "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc+bRr0lv18FlbviRlUUFDjnoQCw==";

/**
 * {sha256, ed25519}, each null where the browser has none: outside https and localhost
 * it has neither, and older ones know no Ed25519.
 */
export async function findTools(subtle = globalThis.crypto?.subtle) {
  if (!subtle) return { sha256: null, ed25519: null };
  const sha256 = async (bytes) => new Uint8Array(await subtle.digest("SHA-256", bytes));
  const ed25519 = async (publicKey, signature, bytes) => {
    try {
      const key = await subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
      return await subtle.verify("Ed25519", key, signature, bytes);
    } catch {
      return false; // no point of the curve, or no Ed25519 here: see below
    }
  };
  const trusted = await ed25519(
    fromBase64(KNOWN_KEY), fromBase64(KNOWN_SIGNATURE), new Uint8Array(),
  );
  return { sha256, ed25519: trusted ? ed25519 : null };
}
