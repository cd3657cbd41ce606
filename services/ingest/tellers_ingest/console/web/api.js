// Requests to ingest with the clerk's token, which stays in this tab's storage.

const KEPT = "tellers.token";
const PATIENCE_MS = 8000;

export const token = () => sessionStorage.getItem(KEPT);
export const keepToken = (text) => sessionStorage.setItem(KEPT, text);
export const dropToken = () => sessionStorage.removeItem(KEPT);

/** A name for one command that no other has. */
export const newKey = () => crypto.randomUUID();

/** `{status, ...body}` of the answer; null when the network failed. */
export async function request(method, path, { body, key, version } = {}) {
  const headers = { Authorization: `Bearer ${token()}` };
  if (body) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  if (version !== undefined) headers["If-Match"] = `"${version}"`;
  try {
    const answer = await fetch(path, {
      method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return { ...(await answer.json()), status: answer.status };
  } catch {
    return null;
  }
}

/**
 * A command that is not queued: the same key until the network lets an answer through.
 * With `version` only if the roll call is still at it.
 */
export async function command(path, body = {}, version = undefined) {
  const key = newKey();
  for (let tries = 0; tries < 3; tries += 1) {
    const answer = await request("POST", path, { body, key, version });
    if (answer !== null && answer.status < 500) return answer;
  }
  return null;
}
