// How high a framed page is, told to the page around it in every dialect that is spoken.
// Nothing secret is inside, so it is told to whoever is there.

const LOWEST = 200;
const HIGHEST = 1000; // what WordPress takes

const isSecret = (text) => /^[A-Za-z0-9]+$/.test(text);

/** The messages that tell a height. `secret`: WordPress's, from the fragment; pure. */
export function messages({ width, height, vote, secret = "", dialect = "" }) {
  const found = [
    { type: "tellers:size", v: 1, vote, width, height },
    { sentinel: "amp", type: "embed-size", height, width },
  ];
  if (isSecret(secret)) {
    const value = Math.min(HIGHEST, Math.max(LOWEST, height));
    found.push({ message: "height", value, secret });
  }
  if (dialect === "dw") found.push({ "datawrapper-height": { [vote]: height } });
  return found;
}

/** The secret that WordPress put into the fragment, or "". */
export const secretOf = (hash) =>
  new URLSearchParams(hash.replace(/^#\??/, "")).get("secret") ?? "";

/** A click on a link, as WordPress takes it: its sandbox opens no window. */
export function tellClicks(root) {
  const secret = secretOf(location.hash);
  if (!isSecret(secret)) return;
  root.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (link === null) return;
    event.preventDefault();
    parent.postMessage({ message: "link", value: link.href, secret }, "*");
  });
}

/** Tell it now, and whenever it changes: at most four times a second. */
export function tellHeight(root, vote) {
  const secret = secretOf(location.hash);
  const dialect = new URLSearchParams(location.search).get("resize") ?? "";
  let told = -1;
  let timer = 0;
  const measure = () => {
    timer = 0;
    const { width, height } = root.getBoundingClientRect();
    const size = { width: Math.ceil(width), height: Math.ceil(height) };
    if (size.height === told) return;
    told = size.height;
    for (const message of messages({ ...size, vote, secret, dialect })) {
      parent.postMessage(message, "*");
    }
  };
  new ResizeObserver(() => (timer ||= setTimeout(measure, 250))).observe(root);
  // Mastodon and its like ask.
  addEventListener("message", ({ source, data }) => {
    if (source !== parent || data?.type !== "setHeight") return;
    parent.postMessage({ type: "setHeight", id: data.id, height: told }, "*");
  });
  measure();
}
