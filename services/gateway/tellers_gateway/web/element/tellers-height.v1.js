// For a page that frames our tallies: gives each frame the height it asks for.
//
//   <script src="https://…/elements/tellers-height.v1.js" defer></script>
//
// Hears only frames of the host it came from, and touches nothing but their height.

{
  const { origin } = new URL(document.currentScript.src);
  addEventListener("message", ({ source, origin: from, data }) => {
    // A sandboxed frame has no origin of its own: "null".
    if ((from !== origin && from !== "null") || data?.type !== "tellers:size") return;
    const frame = [...document.querySelectorAll("iframe")].find(
      (one) => one.contentWindow === source && new URL(one.src, location.href).origin === origin,
    );
    if (!frame || !Number.isFinite(data.height)) return;
    frame.style.height = `${Math.min(4000, Math.max(80, data.height))}px`;
  });
}
