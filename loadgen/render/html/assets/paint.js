
"use strict";
// What the charts paint beside uPlot's lines: cells of a heatmap, marks of
// moments, points with a shape for each verdict. All of it takes a uPlot
// instance, and works in its canvas pixels.
const paint = (() => {
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  // Cells of few calls stay visible: the scale is logarithmic and starts at
  // a quarter of the full colour.
  function heat(u, map) {
    const ctx = u.ctx, full = Math.log(1 + map.most), box = u.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.left, box.top, box.width, box.height);
    ctx.clip();
    ctx.fillStyle = colour("heat");
    map.cells.forEach((cells, i) => {
      const left = u.valToPos(map.from[i], "x", true), right = u.valToPos(map.to[i], "x", true);
      for (let k = 0; k < cells.length; k += 2) {
        const top = u.valToPos(map.edges[cells[k] + 1], "y", true), bottom = u.valToPos(map.edges[cells[k]], "y", true);
        ctx.globalAlpha = 0.22 + 0.78 * Math.log(1 + cells[k + 1]) / full;
        ctx.fillRect(left, top, Math.max(right - left, 1) - (right - left > 6 ? 1 : 0), Math.max(bottom - top, 1));
      }
    });
    ctx.restore();
  }

  const letters = { stage: "S", goaway: "G", connect: "C", abort: "A" };
  const tints = { stage: "soft", goaway: "c2", connect: "c3", abort: "bad" };

  // Vertical lines at marks and at the ends of phases; words only where there
  // is room for them.
  function moments(u, marks, phases, words) {
    const ctx = u.ctx, box = u.bbox, px = devicePixelRatio;
    const inside = x => x >= box.left - 1 && x <= box.left + box.width + 1;
    ctx.save();
    ctx.font = 11 * px + "px system-ui, sans-serif";
    ctx.textBaseline = "bottom";
    const line = (x, tint, dash) => {
      ctx.strokeStyle = colour(tint);
      ctx.lineWidth = px;
      ctx.setLineDash(dash.map(v => v * px));
      ctx.beginPath();
      ctx.moveTo(x, box.top);
      ctx.lineTo(x, box.top + box.height);
      ctx.stroke();
    };
    let free = -Infinity;
    for (const p of phases) {
      const from = Math.max(u.valToPos(p.start, "x", true), box.left), to = Math.min(u.valToPos(p.end, "x", true), box.left + box.width);
      if (inside(from) && from > box.left + 1) line(from, "soft", [2, 4]);
      const width = ctx.measureText(p.name).width;
      if (!words || phases.length < 2 || to - from < width + 8 * px || from < free) continue;
      ctx.textAlign = "left";
      ctx.fillStyle = colour("soft");
      ctx.fillText(p.name, from + 3 * px, box.top - 14 * px);
      free = from + width + 8 * px;
    }
    // Marks too close for letters of their own share a place: "GC".
    let label = null;
    const write = () => {
      if (!label) return;
      ctx.textAlign = "center";
      ctx.fillStyle = colour(label.tint);
      ctx.fillText(label.text, label.x, box.top - 1 * px);
    };
    for (const m of marks) {
      const x = u.valToPos(m.t, "x", true), tint = tints[m.kind] || "soft", letter = letters[m.kind] || "•";
      if (!inside(x)) continue;
      line(x, tint, [4, 3]);
      if (!words) continue;
      if (label && x < label.x + 16 * px) {
        if (!label.text.includes(letter)) label.text += letter;
        continue;
      }
      write();
      label = { x, tint, text: letter };
    }
    write();
    ctx.restore();
  }

  // A shape and a colour for each verdict, so that neither is needed to read
  // the other.
  function verdicts(u, values, verdict) {
    const ctx = u.ctx, px = devicePixelRatio, r = 5 * px;
    ctx.save();
    ctx.lineWidth = 2 * px;
    ctx.setLineDash([]); // a series before may have left its own
    u.data[0].forEach((rate, i) => {
      if (values[i] == null) return;
      const x = u.valToPos(rate, "x", true), y = u.valToPos(values[i], "y", true);
      ctx.strokeStyle = ctx.fillStyle = colour({ pass: "good", fail: "bad" }[verdict[i]] || "soft");
      ctx.beginPath();
      switch (verdict[i]) {
      case "pass":
        ctx.arc(x, y, r, 0, 7);
        ctx.fill();
        break;
      case "fail":
        ctx.moveTo(x - r, y - r); ctx.lineTo(x + r, y + r);
        ctx.moveTo(x - r, y + r); ctx.lineTo(x + r, y - r);
        ctx.stroke();
        break;
      case "undecided":
        ctx.moveTo(x, y - r); ctx.lineTo(x + r, y + r); ctx.lineTo(x - r, y + r);
        ctx.closePath();
        ctx.stroke();
        break;
      default:
        ctx.strokeRect(x - r, y - r, 2 * r, 2 * r);
      }
    });
    ctx.restore();
  }

  // The rate that a search found.
  function found(u, at) {
    if (!at) return;
    const x = u.valToPos(at, "x", true), ctx = u.ctx, px = devicePixelRatio;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour("good");
    ctx.lineWidth = px;
    ctx.setLineDash([4 * px, 3 * px]);
    ctx.beginPath();
    ctx.moveTo(x, u.bbox.top);
    ctx.lineTo(x, u.bbox.top + u.bbox.height);
    ctx.stroke();
    ctx.restore();
  }

  return { colour, heat, moments, verdicts, found };
})();
