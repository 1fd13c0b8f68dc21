"use strict";
// Renews the page of a run that goes on: the new page is asked for, and its
// contents and figures take the place of the old ones. Folded parts stay as they
// are, and nothing moves while somebody reads: a selection, or a chart or table
// that has the focus, holds it.
(() => {
  const every = 2000;
  const note = document.createElement("p");
  note.className = "note live";
  note.setAttribute("role", "status");
  const say = text => { if (note.textContent !== text) note.textContent = text; };
  document.querySelector("main").prepend(note);
  say("The run goes on; this page renews itself.");

  const reading = () => !getSelection().isCollapsed || document.activeElement && document.activeElement !== document.body;

  function put(next) {
    const open = [...document.querySelectorAll("main details")].map(d => d.open);
    const main = document.adoptNode(next.querySelector("main"));
    main.prepend(note);
    document.querySelector("main").replaceWith(main);
    document.querySelectorAll("main details").forEach((d, i) => { if (i in open) d.open = open[i]; });
    const text = next.getElementById("data").textContent;
    document.getElementById("data").textContent = text;
    document.title = next.title;
    report.draw(JSON.parse(text));
  }

  async function renew() {
    if (reading()) {
      say("The run goes on; this page waits while you read. Press Escape to go on.");
    } else {
      try {
        const answer = await fetch(location.pathname, { cache: "no-store" });
        if (!answer.ok) throw new Error(answer.status);
        put(new DOMParser().parseFromString(await answer.text(), "text/html"));
        say("The run goes on; this page renews itself.");
      } catch {
        return say("The run is over, or out of reach. This is what was known last; the report of the run has the rest.");
      }
    }
    setTimeout(renew, every);
  }

  addEventListener("keydown", e => { if (e.key === "Escape") { getSelection().removeAllRanges(); document.activeElement.blur(); } });
  setTimeout(renew, every);
})();
