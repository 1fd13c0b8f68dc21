
"use strict";
// Draws the charts of the page. report.draw(data) takes the figures again, in
// the form of the JSON block, and draws every chart anew: a page whose run goes
// on calls it with each new block. A chart is an element of class "chart" with
// data-chart, its kind, and data-load, the number of its load.
const report = (() => {
  let data, drawn = [];

  function drawOne(box) {
    const load = data.loads[box.dataset.load];
    if (load) load.id = box.dataset.load;
    const spec = charts.make(box.dataset.chart, data, load);
    const options = Object.assign({ width: Math.max(box.clientWidth, 200), height: spec.height, legend: { markers: { width: 2.5, fill: () => "transparent", dash: (u, i) => u.series[i].dash && u.series[i].dash.length ? u.series[i].dash[0] > 3 ? "dashed" : "dotted" : "solid" } } }, spec.options);
    const chart = new uPlot(options, spec.data, box);
    drawn.push(chart);
    box.onkeydown = e => move(chart, e);
    // The legend is read out while the keyboard moves the cursor, and only then.
    const legend = chart.root.querySelector(".u-legend");
    box.onfocus = () => legend.setAttribute("aria-live", "polite");
    box.onblur = () => legend.removeAttribute("aria-live");
  }

  // Arrows, Page Up and Down, Home and End move the cursor; Escape takes it away.
  function move(chart, e) {
    const x = chart.data[0];
    const far = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity, Escape: NaN }[e.key];
    if (far === undefined) return;
    e.preventDefault();
    if (e.key === "Escape") return chart.setCursor({ left: -10, top: -10 }, true, true);
    const i = Math.min(Math.max((chart.cursor.idx ?? -1) + far, 0), x.length - 1);
    chart.setCursor({ left: chart.valToPos(x[i], "x"), top: 10 }, true, true);
  }

  function redraw() {
    drawn.forEach(c => c.destroy());
    drawn = [];
    document.querySelectorAll(".chart").forEach(drawOne);
  }

  function draw(next) {
    data = next;
    redraw();
  }

  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redraw(); } });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  // Paper is white and narrow, and holds what a reader cannot open there.
  const paper = on => { document.documentElement.classList.toggle("paper", on); redraw(); };
  addEventListener("beforeprint", () => paper(true));
  addEventListener("afterprint", () => paper(false));
  // A link into a folded part opens it.
  const unfold = () => {
    for (let e = document.getElementById(decodeURIComponent(location.hash.slice(1))); e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
  };
  addEventListener("hashchange", unfold);

  draw(JSON.parse(document.getElementById("data").textContent));
  return { draw };
})();
