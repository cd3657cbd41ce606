// The globals that CasparCG and SPX call, there before anything else has loaded. A
// classic script: what is called early waits in `calls` until the overlay takes over.
(() => {
  const calls = [];
  window.tellersCalls = calls;
  for (const name of ["play", "stop", "next", "update", "remove"]) {
    window[name] = (...given) => {
      if (calls.handler) calls.handler(name, ...given);
      else calls.push([name, ...given]);
    };
  }
})();
