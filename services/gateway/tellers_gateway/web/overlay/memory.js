// What an overlay remembers over a reload (OBS reloads a source that becomes active), for
// `keepSeconds`: the last good tally, and what the operator had held or cleared. Where
// storage is forbidden, it remembers nothing.

const key = ({ chamber, rollCall, rehearsal }) =>
  `tellers-overlay:${rehearsal ? "rehearsal:" : ""}${chamber}/${rollCall ?? "current"}`;

export function remember(options, onAir) {
  if (onAir.latest === null) return;
  try {
    const kept = { at: Date.now(), ...onAir.memory };
    localStorage.setItem(key(options), JSON.stringify(kept));
  } catch {
    return;
  }
}

export function recall(options, onAir) {
  try {
    const { at, ...kept } = JSON.parse(localStorage.getItem(key(options)));
    const age = Date.now() - at;
    if (age >= 0 && age < options.keepSeconds * 1000) onAir.recall(kept);
  } catch {
    return;
  }
}

export function forget(options) {
  try {
    localStorage.removeItem(key(options));
  } catch {
    return;
  }
}
