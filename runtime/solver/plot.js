"use strict";
// Draws each panel's curves, and the values at the iteration that the mouse or the arrow keys are at.
(() => {
  const { runs, reach, refresh } = JSON.parse(document.getElementById("data").textContent);
  const COLOURS = ["#2f7ed8", "#d9661f", "#19a979", "#a855f7", "#e11d48", "#0ea5e9", "#ca8a04", "#64748b"];
  const LEFT = 62, RIGHT = 14, TOP = 8, BOTTOM = 40, NS = "http://www.w3.org/2000/svg";
  const HEIGHTS = { loss: 300, accuracy: 260, rate: 170 };
  const hidden = new Set(JSON.parse(sessionStorage.getItem("hidden") || "[]"));
  const values = document.getElementById("values"), panels = [];
  const last = Math.max(1, ...runs.flatMap((run) => ["loss", "accuracy", "rate"].flatMap((kind) => Object.values(run[kind]).map(([at]) => at.at(-1) ?? 0))));
  const colour = (index) => COLOURS[index % COLOURS.length];

  function make(name, attributes, parent, text) {
    const element = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    if (parent) parent.append(element);
    return element;
  }

  // Round numbers from low to high, about so many.
  function ticks(low, high, count) {
    const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough);
    const found = [];
    for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(Math.abs(value) < step / 1e6 ? 0 : value);
    return found;
  }

  const short = (value) => Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(4)));
  const shown = (kind, value) => value === null ? "not a number" : kind === "accuracy" ? `${(100 * value).toFixed(2)}%` : short(value);

  function scaleOf(kind, curves, height) {
    const all = curves.flatMap(({ points }) => points[1]).filter((value) => value !== null);
    let low = Math.min(...all), high = Math.max(...all);
    if (!all.length) [low, high] = [0, 1];
    const bottom = height - BOTTOM;
    if (kind === "rate" && low > 0 && high > 3 * low) {
      const [a, b] = [Math.log(low / 1.3), Math.log(high * 1.3)];
      const tens = [];
      for (let power = Math.ceil(Math.log10(low / 1.3)); power <= Math.log10(high * 1.3); power++) tens.push(10 ** power);
      return { y: (value) => bottom - (Math.log(value) - a) / (b - a) * (bottom - TOP), marks: tens.length > 1 ? tens : [low, high] };
    }
    high = kind === "accuracy" ? Math.max(reach ?? 0, high) : high;
    const top = (kind === "accuracy" ? Math.min(1.02, high * 1.06) : high * 1.06) || 1;
    return { y: (value) => bottom - value / top * (bottom - TOP), marks: ticks(0, top, 5) };
  }

  function curvesOf(kind) {
    return runs.flatMap((run, index) => hidden.has(index) ? [] : Object.entries(run[kind]).flatMap(([name, points], order) =>
      points[0].length ? [{ run, index, name, points, order }] : []));
  }

  function path(points, x, y) {
    let text = "", pen = "M";
    points[0].forEach((at, index) => {
      const value = points[1][index];
      if (value === null) { pen = "M"; return; }
      text += `${pen}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
    });
    return text;
  }

  function steps(points, x, y) {
    let text = "", before = null;
    points[0].forEach((at, index) => {
      const value = points[1][index];
      if (value === null) return;
      text += before === null ? `M${x(at).toFixed(1)} ${y(value).toFixed(1)}` : `H${x(at).toFixed(1)}V${y(value).toFixed(1)}`;
      before = value;
    });
    return text;
  }

  function draw(kind) {
    const box = document.getElementById(kind);
    if (!box) return;
    const width = Math.max(280, box.clientWidth), height = HEIGHTS[kind], curves = curvesOf(kind);
    const x = (at) => LEFT + at / last * (width - LEFT - RIGHT), { y, marks } = scaleOf(kind, curves, height);
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
    for (const mark of marks) {
      make("line", { x1: LEFT, x2: width - RIGHT, y1: y(mark), y2: y(mark), class: "grid" }, svg);
      make("text", { x: LEFT - 8, y: y(mark) + 4, "text-anchor": "end" }, svg, kind === "accuracy" ? `${Math.round(100 * mark)}%` : short(mark));
    }
    for (const mark of ticks(0, last, Math.max(2, Math.floor(width / 130)))) {
      const anchor = x(mark) > width - RIGHT - 24 ? "end" : "middle";
      make("text", { x: x(mark), y: height - BOTTOM + 18, "text-anchor": anchor }, svg, mark.toLocaleString("en"));
    }
    make("line", { x1: LEFT, x2: width - RIGHT, y1: height - BOTTOM, y2: height - BOTTOM, class: "axis" }, svg);
    const epochs = new Set(runs.map((run) => run.epoch)), epoch = epochs.size === 1 ? [...epochs][0] : null;
    make("text", { x: (LEFT + width - RIGHT) / 2, y: height - 4, "text-anchor": "middle" }, svg,
      epoch ? `iteration; an epoch has ${Math.round(epoch).toLocaleString("en")}` : "iteration");
    for (const { index, name, points, order } of curves) {
      const alone = runs.length === 1, dashed = kind === "loss" ? name === "test" : order > 0;
      const classes = [name === "batches" ? "batches" : "", dashed ? "dashed" : ""].filter(Boolean).join(" ");
      const stroke = alone && name === "test" ? COLOURS[1] : alone && kind === "accuracy" ? colour(order + 2) : colour(index);
      make("path", { d: (kind === "rate" ? steps : path)(points, x, y), stroke, class: classes }, svg);
      if (points[0].length === 1 && points[1][0] !== null) make("circle", { cx: x(points[0][0]), cy: y(points[1][0]), r: 3, fill: stroke }, svg);
    }
    if (kind === "accuracy" && reach !== null) make("line", { x1: LEFT, x2: width - RIGHT, y1: y(reach), y2: y(reach), class: "reach" }, svg);
    const cursor = make("line", { y1: TOP, y2: height - BOTTOM, class: "cursor", visibility: "hidden" }, svg);
    box.replaceChildren(svg);
    panels.push({ kind, box, svg, cursor, x, width });
  }

  function redraw() {
    panels.length = 0;
    ["loss", "accuracy", "rate"].forEach(draw);
    values.hidden = true;
  }

  // The value of a curve at the iteration, or at the last before it.
  function at(points, iteration) {
    let found = -1;
    for (let index = 0; index < points[0].length && points[0][index] <= iteration; index++) found = index;
    return found < 0 ? undefined : [points[0][found], points[1][found]];
  }

  let iteration = null;
  function show(panel, wanted, left, top) {
    const known = curvesOf(panel.kind).flatMap(({ points }) => points[0]);
    if (!known.length) return;
    iteration = known.reduce((best, one) => Math.abs(one - wanted) < Math.abs(best - wanted) ? one : best);
    for (const one of panels) {
      one.cursor.setAttribute("x1", one.x(iteration));
      one.cursor.setAttribute("x2", one.x(iteration));
      one.cursor.setAttribute("visibility", "visible");
    }
    const lines = [document.createElement("p")];
    lines[0].textContent = `iteration ${iteration.toLocaleString("en")}`;
    for (const { run, index, name, points } of curvesOf(panel.kind)) {
      const found = at(points, iteration);
      if (!found) continue;
      const line = document.createElement("p"), dot = document.createElement("i");
      dot.style.setProperty("--run", colour(index));
      const what = { batches: "single batch", training: "training, smoothed" }[name] ?? name;
      const who = runs.length > 1 ? `${run.label}: ` : "", when = found[0] === iteration ? "" : ` (iteration ${found[0].toLocaleString("en")})`;
      line.append(dot, `${who}${what} ${shown(panel.kind, found[1])}${when}`);
      lines.push(line);
    }
    values.replaceChildren(...lines);
    values.hidden = false;
    const own = values.getBoundingClientRect(), x = left + 18 + own.width > innerWidth ? left - 18 - own.width : left + 18;
    values.style.left = `${Math.max(8, Math.min(x, innerWidth - own.width - 8))}px`;
    values.style.top = `${Math.max(8, Math.min(top + 18, innerHeight - own.height - 8))}px`;
  }

  function hide() {
    values.hidden = true;
    for (const panel of panels) panel.cursor.setAttribute("visibility", "hidden");
  }

  for (const kind of ["loss", "accuracy", "rate"]) {
    const box = document.getElementById(kind);
    if (!box) continue;
    const panel = () => panels.find((one) => one.kind === kind);
    box.addEventListener("mousemove", (event) => {
      const own = panel(), edges = own.svg.getBoundingClientRect();
      const x = (event.clientX - edges.left) / edges.width * own.width;
      show(own, (x - LEFT) / (own.width - LEFT - RIGHT) * last, event.clientX, event.clientY);
    });
    box.addEventListener("mouseleave", hide);
    box.addEventListener("blur", hide);
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return hide();
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      event.preventDefault();
      const own = panel(), known = [...new Set(curvesOf(kind).flatMap(({ points }) => points[0]))].sort((a, b) => a - b);
      const place = iteration === null ? -1 : known.indexOf(iteration), next = event.key === "ArrowRight" ? place + 1 : Math.max(0, place - 1);
      const edges = own.svg.getBoundingClientRect(), wanted = known[Math.min(next, known.length - 1)];
      show(own, wanted, edges.left + own.x(wanted) / own.width * edges.width, edges.top + edges.height / 3);
    });
  }

  const group = document.getElementById("runs");
  if (runs.length > 1) runs.forEach((run, index) => {
    const button = document.createElement("button");
    button.textContent = run.label;
    button.style.setProperty("--run", colour(index));
    button.setAttribute("aria-pressed", String(!hidden.has(index)));
    button.addEventListener("click", () => {
      if (!hidden.delete(index)) hidden.add(index);
      sessionStorage.setItem("hidden", JSON.stringify([...hidden]));
      button.setAttribute("aria-pressed", String(!hidden.has(index)));
      redraw();
    });
    group.append(button);
  });

  redraw();
  addEventListener("resize", redraw);
  if (refresh) setInterval(() => { if (!document.hidden && values.hidden) location.reload(); }, 1000 * refresh);
})();
