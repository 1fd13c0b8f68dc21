
"use strict";
// What each kind of chart shows: figures of the JSON block as options of
// uPlot. Names of statuses and phases are foreign, and reach the page as text:
// uPlot sets labels by textContent, and the canvas knows no markup.
const charts = (() => {
  const { colour } = paint;
  const short = v => v == null ? "–" : v >= 1000 ? Math.round(v).toLocaleString("en") : Number(v.toPrecision(3)).toString();
  const nines = x => x === 0 ? "p0" : "p" + Number((100 * (1 - Math.pow(10, -x))).toFixed(Math.max(0, Math.ceil(x) - 1)));
  const two = n => String(n).padStart(2, "0");

  // A moment of a run, with as little as tells it apart: 12.5 s, 4:30, 1:04:30.
  function moment(s) {
    const a = Math.abs(s);
    if (a < 180) return Number(s.toFixed(1)) + " s";
    const whole = Math.round(a), text = two(Math.floor(whole / 60) % 60) + ":" + two(whole % 60);
    return (s < 0 ? "−" : "") + (whole >= 3600 ? Math.floor(whole / 3600) + ":" + text : text);
  }

  function duration(v) {
    return v == null ? "–" : v >= 1000 ? short(v / 1000) + " s" : v < 1 ? short(v * 1000) + " µs" : short(v) + " ms";
  }

  // 1, 2, 5, 10 ... within a logarithmic scale: more of them in a short one,
  // powers of ten alone in a long one.
  function logSplits(u, low, high) {
    const out = [], tens = Math.log10(high / low), leads = tens > 4 ? [1] : tens > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
      for (const lead of leads) {
        const v = Number(lead + "e" + e);
        if (v >= low * 0.999 && v <= high * 1.001) out.push(v);
      }
    }
    return out;
  }

  // Powers of ten, or the nearest of 1, 2, 5 when that leaves nothing.
  function logRange(values) {
    let low = Infinity, high = -Infinity;
    for (const v of values) if (v != null && v > 0) { low = Math.min(low, v); high = Math.max(high, v); }
    if (low > high) return [0.1, 10];
    return low * 2 > high ? [low / 2, high * 2] : [low / 1.15, high * 1.15];
  }

  function axis(more) {
    return Object.assign({ stroke: colour("soft"), font: "11px system-ui, sans-serif", gap: 4, grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("grid"), width: 1, size: 4 } }, more);
  }

  function line(name, tint, value, more) {
    return Object.assign({ label: name, stroke: colour(tint), width: 1.6, value: (u, v) => value(v), points: { show: false } }, more);
  }

  const bare = { drag: { x: false, y: false }, points: { size: 7 } };
  const stepped = uPlot.paths.stepped({ align: 1 });

  // The percentile curve: as much room from p90 to p99 as from p99 to p99.9.
  function curve(data, load) {
    const c = load.curve, last = Math.max(c.x[c.x.length - 1], 1);
    const range = logRange(c.lines.flatMap(l => l.values)), looks = [{ width: 2.2 }, { dash: [7, 4], width: 2 }];
    return {
      data: [c.x].concat(c.lines.map(l => l.values)), height: 320,
      options: {
        scales: { x: { time: false, range: () => [0, last] }, y: { distr: 3, range: () => range } },
        axes: [
          axis({ size: 28, values: (u, vs) => vs.map(nines), splits: u => [0, 0.30103, 1, 2, 3, 4, 5, 6].filter(v => v <= last && (v || u.width > 500)) }),
          axis({ size: 64, splits: (u, i, low, high) => logSplits(u, low, high), values: (u, vs) => vs.map(duration), filter: (u, vs) => vs })
        ],
        series: [{ label: "percentile", value: (u, v) => v == null ? "–" : nines(v) }].concat(c.lines.map((l, i) => line(l.name, "c" + (i + 1), duration, looks[i]))),
        cursor: bare
      }
    };
  }

  // One figure over time as series of uPlot. A window's figure holds until the
  // next one begins; windows without one leave a hole. Merged windows come in
  // pairs of points, the lowest and the highest: a band between two lines.
  function held(t, x, c, tint, show, more) {
    const low = t.merged ? c.values.filter((v, i) => i % 2 === 0) : c.values;
    const high = t.merged ? low.map((v, i) => c.values[2 * i + 1] === undefined ? v : c.values[2 * i + 1]) : [];
    const says = i => low[i] == null ? "–" : t.merged && high[i] !== low[i] ? show(low[i]) + " to " + show(high[i]) : show(low[i]);
    return (t.merged ? [low, high] : [low]).map((values, edge) => {
      const all = values.concat(values.slice(-1)), shown = [], holes = [];
      all.forEach((v, i) => {
        shown.push(v ?? shown[i - 1] ?? null);
        if (v == null && i < values.length) holes.push([x[i], x[i + 1]]);
      });
      const look = { paths: stepped, gaps: u => holes.map(h => h.map(v => u.valToPos(v, "x", true))), value: (u, v, s, i) => i == null ? "–" : says(Math.min(i, values.length - 1)) };
      return { values: shown, series: line(c.name, tint, show, Object.assign(look, more, edge ? { class: "edge" } : {})) };
    });
  }

  // The charts over time share one axis, one cursor and the marks. Parts are
  // columns with their looks; y and more go to uPlot and to this function.
  function overTime(load, parts, show, y, more) {
    const t = load.time, from = Math.min(t.t[0], load.heat.from.length ? load.heat.from[0] : Infinity);
    const to = Math.max(t.end, from + 1e-3), x = (t.merged ? t.t.filter((v, i) => i % 2 === 0) : t.t).concat(to);
    const all = parts.flatMap(p => held(t, x, p.column, p.tint, show, p.look));
    const bands = t.merged ? parts.map((p, i) => ({ series: [2 * i + 2, 2 * i + 1], fill: colour(p.tint) + "55", dir: -1 })) : [];
    return {
      data: [x].concat(all.map(a => a.values)), height: more.height,
      options: {
        scales: { x: { time: false, range: () => [from, to] }, y: y.scale },
        axes: [axis({ values: (u, vs) => vs.map(moment), space: 70, size: 28 }), axis(Object.assign({ size: 64 }, y.axis))],
        series: [{ label: "time", value: (u, v) => v == null ? "–" : moment(v) }].concat(all.map(a => a.series)),
        bands, padding: [more.words ? 30 : 10, 28, 0, 0],
        cursor: Object.assign({ sync: { key: "time" + load.id } }, bare),
        hooks: { drawAxes: [u => more.heat && paint.heat(u, load.heat)], draw: [u => paint.moments(u, load.marks, load.phases, more.words)] }
      }
    };
  }

  const columns = (load, chart) => load.time.columns.filter(c => c.chart === chart);
  const has = c => c.values.some(v => v != null);

  // Calls by time and latency, with p50 and p99; without histograms of the
  // windows, their largest latency instead.
  function latency(data, load) {
    const cells = load.heat.cells.length > 0, all = columns(load, "latency");
    const p99 = has(all[1]), shown = all.filter((c, i) => i === 0 ? has(c) : i === 1 ? p99 : !cells || !p99);
    const range = logRange(load.heat.edges.concat(...shown.map(c => c.values)));
    const looks = { p50: ["ink", { width: 1.8 }], p99: ["c2", { width: 1.8, dash: [7, 3] }], max: ["c5", { width: 1.4, dash: [3, 3] }] };
    return overTime(load, shown.map(c => ({ column: c, tint: looks[c.name][0], look: looks[c.name][1] })), duration, {
      scale: { distr: 3, range: () => range },
      axis: { splits: (u, i, low, high) => logSplits(u, low, high), values: (u, vs) => vs.map(duration), filter: (u, vs) => vs }
    }, { heat: cells, words: load.marks.length > 0 || load.phases.length > 1, height: 320 });
  }

  function plain(load, chart, tints, look) {
    return overTime(load, columns(load, chart).map((c, i) => ({ column: c, tint: tints[c.name] || "c" + (i % 6 + 1), look: look(i, c.name) })), short, {
      scale: { range: (u, low, high) => [0, Math.max(high * 1.1, 1)] },
      axis: { values: (u, vs) => vs.map(v => v == null ? "" : short(v)), incrs: chart === "rate" ? undefined : [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6] }
    }, { height: 150 });
  }

  const rate = (data, load) => plain(load, "rate", { due: "soft", sent: "c1", completed: "c4", dropped: "bad" }, (i, name) => ({ dash: { due: [2, 3], completed: [7, 4] }[name] || [] }));
  const flight = (data, load) => plain(load, "flight", { "in flight": "c1" }, () => load.time.merged ? {} : { fill: colour("wash") });
  const errors = (data, load) => plain(load, "errors", {}, i => ({ dash: i % 2 ? [6, 3] : [] }));

  // A capacity search: runs by rate, each with the shape of its verdict.
  function capacity(kind, c) {
    const latencies = kind === "capacity", values = latencies ? c.p50.concat(c.high) : c.achieved;
    const range = latencies ? logRange(values) : [0, Math.max(...values, ...c.rate) * 1.08 || 1];
    const shown = latencies
      ? [line(c.name, "c2", duration, { spanGaps: true }), line("p50", "c1", duration, { dash: [7, 4], spanGaps: true })]
      : [line("got", "c1", short), line("wanted", "soft", short, { dash: [2, 3] })];
    return {
      data: latencies ? [c.rate, c.high, c.p50] : [c.rate, c.achieved, c.rate], height: latencies ? 280 : 180,
      options: {
        scales: { x: { time: false, range: () => [0, Math.max(...c.rate) * 1.06] }, y: latencies ? { distr: 3, range: () => range } : { range: () => range } },
        axes: [axis({ values: (u, vs) => vs.map(v => short(v) + "/s"), space: 70, size: 28 }),
          axis(latencies ? { size: 64, splits: (u, i, low, high) => logSplits(u, low, high), values: (u, vs) => vs.map(duration), filter: (u, vs) => vs } : { size: 64, values: (u, vs) => vs.map(v => v == null ? "" : short(v)) })],
        series: [{ label: "rate", value: (u, v) => v == null ? "–" : short(v) + "/s" }].concat(shown),
        cursor: Object.assign({ sync: { key: "capacity" } }, bare),
        hooks: { draw: [u => { paint.found(u, c.found); paint.verdicts(u, latencies ? c.high : c.achieved, c.verdict); }] }
      }
    };
  }

  const kinds = { curve, latency, rate, flight, errors, capacity: data => capacity("capacity", data.capacity), achieved: data => capacity("achieved", data.capacity) };
  return { make: (kind, data, load) => kinds[kind](data, load) };
})();
