// Runs in a report's page by way of the debugger, and so beside its policy.
// Results in a list of what is wrong.
(() => {
  const wrong = [];
  const tint = name => {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = getComputedStyle(document.documentElement).getPropertyValue("--" + name);
    const rgb = getComputedStyle(probe).color.match(/\d+/g).map(Number);
    probe.remove();
    return rgb;
  };
  const inks = { curve: ["c1", "c2"], rate: ["c4"], flight: ["c1"], errors: ["c1"], achieved: ["c1"], capacity: ["c2"] };

  // A chart is drawn when the colours of its lines are on it. Thin lines are
  // blended with the paper, so a quarter of the way counts for nothing.
  function drawn(box, name) {
    const canvas = box.querySelector("canvas");
    if (!canvas) return wrong.push(name + " has no canvas");
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
    let wanted = inks[box.dataset.chart];
    if (!wanted) { // latency: cells where the windows have histograms, lines anyway
      const folded = document.getElementById(box.getAttribute("aria-details"));
      wanted = folded && folded.id.startsWith("table-heat") ? ["heat", "ink"] : ["ink", "c2"];
    }
    for (const ink of wanted) {
      const [r, g, b] = tint(ink);
      let n = 0;
      for (let i = 0; i < pixels.length; i += 4) {
        if (pixels[i + 3] > 150 && Math.abs(pixels[i] - r) + Math.abs(pixels[i + 1] - g) + Math.abs(pixels[i + 2] - b) < 40) n++;
      }
      if (n < 20) wrong.push(name + " has " + n + " pixels in colour " + ink);
    }
  }

  function keyboard(box, name) {
    box.focus();
    if (document.activeElement !== box) return wrong.push(name + " takes no focus");
    const value = () => box.querySelector(".u-legend .u-value").textContent;
    box.dispatchEvent(new KeyboardEvent("keydown", { key: "End", bubbles: true }));
    const last = value();
    box.dispatchEvent(new KeyboardEvent("keydown", { key: "Home", bubbles: true }));
    const first = value();
    if (!/\d/.test(last) || !/\d/.test(first)) wrong.push(name + " shows no figure at the cursor: " + first + ", " + last);
    box.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    box.blur();
  }

  function twin(box, name) {
    const table = document.getElementById(box.getAttribute("aria-details"));
    if (!table) return wrong.push(name + " has no table");
    const rows = table.querySelectorAll("tbody tr"), heads = table.querySelectorAll("thead tr:last-child th").length;
    if (!rows.length) wrong.push("the table of " + name + " is empty");
    for (const row of rows) if (row.cells.length !== heads) return wrong.push("a row of " + name + " has " + row.cells.length + " cells under " + heads + " heads");
    const folded = table.closest("details"), before = folded.open;
    folded.open = true;
    if (!table.getClientRects().length) wrong.push("the table of " + name + " cannot be opened");
    folded.open = before;
  }

  for (const box of document.querySelectorAll(".chart")) {
    const name = box.dataset.chart;
    drawn(box, name);
    keyboard(box, name);
    twin(box, name);
  }
  if (document.querySelector(".chart img, .chart script")) wrong.push("a label became an element");
  for (const label of document.querySelectorAll(".u-label")) if (label.textContent.includes("&#")) wrong.push("a label is escaped twice");

  const folded = [...document.querySelectorAll("details")], before = folded.map(d => d.open);
  folded.forEach(d => { d.open = true; });
  for (const d of folded) if (!d.querySelector("table, pre, ol")) wrong.push("empty details");
  if (document.documentElement.scrollWidth > innerWidth) {
    const wide = [...document.querySelectorAll("main *")].filter(e => !e.closest(".scroll, pre, .chart") && e.getBoundingClientRect().right > innerWidth).pop();
    wrong.push("content is " + document.documentElement.scrollWidth + " wide in " + innerWidth + (wide ? ": <" + wide.tagName + " class=" + wide.className + ">" : ""));
  }
  folded.forEach((d, i) => { d.open = before[i]; });

  for (const e of document.querySelectorAll(".scroll, .chart, pre")) if (e.tabIndex !== 0) wrong.push("a " + e.className + " that scrolls takes no focus");
  const asked = performance.getEntriesByType("resource").length;
  if (asked) wrong.push(asked + " resources were asked for");
  scrollTo(0, 0);
  return JSON.stringify(wrong);
})()
