// Of a page that --watch writes: it loads itself again once the file is another one. A file may not read a file, but it
// may show one: a frame out of sight loads this very file each second, and the page in the frame reports its version.
(() => {
  "use strict";
  const build = document.documentElement.dataset.build;
  if (window !== window.top) {
    window.parent.postMessage({ lrdecay: build }, "*");
    window.stop();
    return;
  }
  const SECOND = 1000;
  const place = `lrdecay-page:${location.pathname}`;

  // What is unfolded, by the labels on the way to it: numbers beside them change.
  const label = (details) => (details.querySelector("summary .label") ?? details.querySelector("summary"))?.textContent ?? "";
  const path = (details) => {
    const outer = details.parentElement?.closest("details");
    return `${outer ? path(outer) : details.closest("[id]")?.id ?? ""}\n${label(details)}`;
  };
  const all = () => [...document.querySelectorAll("details")];
  const fields = () => [...document.querySelectorAll("input[id]")];

  const keep = () => {
    const typed = fields().map((field) => [field.id, field.value]);
    const folds = all().map((details) => [path(details), details.open]);
    try { sessionStorage.setItem(place, JSON.stringify({ y: scrollY, typed, folds })); } catch { /* not remembered */ }
  };

  const restore = () => {
    let kept = null;
    try {
      kept = JSON.parse(sessionStorage.getItem(place));
      sessionStorage.removeItem(place);
    } catch { /* nothing is remembered */ }
    if (!kept) return;
    const folds = new Map(kept.folds);
    const done = new Set();
    // What is inside may be made as it is unfolded.
    for (let more = true; more;) {
      more = false;
      for (const details of all().filter((each) => !done.has(each))) {
        done.add(details);
        more = true;
        const open = folds.get(path(details));
        if (open === undefined) continue;
        if (open) details.fillInside?.();
        details.open = open;
      }
    }
    for (const [id, value] of kept.typed) {
      const field = document.getElementById(id);
      if (!field || field.value === value) continue;
      field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    requestAnimationFrame(() => {
      scrollTo(0, kept.y);
      history.scrollRestoration = "auto";
    });
  };

  let frame = null;
  const look = () => {
    frame?.remove();
    frame = null;
    if (document.hidden) return;
    frame = document.createElement("iframe");
    frame.hidden = true;
    frame.setAttribute("sandbox", "allow-scripts");
    frame.src = location.href.split("#")[0];
    document.body.append(frame);
  };
  window.addEventListener("message", ({ source, data }) => {
    if (!frame || source !== frame.contentWindow || !data?.lrdecay || data.lrdecay === build) return;
    keep();
    history.scrollRestoration = "manual";
    location.reload();
  });
  window.addEventListener("load", () => {
    restore();
    setInterval(look, SECOND);
  });
  document.addEventListener("visibilitychange", look);
})();
