"use strict";
// Draws the figures of the page from the JSON in it. Text goes in as text, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const COLOURS = 6; // --s0 …
const STATIONS = 7; // --c0, the macro station's, and the others'
// As many as there are traces in a report: lines differ in grey, too.
const DASHES = ["", "7 3", "2 2.5", "9 3 2 3", "5 2 1 2 1 2", "12 3", "1 3", "4 4", "14 2 2 2", "6 2 2 2 2 2", "3 1", "10 5"];
const MARKERS = [circle, square, diamond, triangle];
const hidden = new Set();
let ids = 0;
const redraws = [];

function node(space, name, attributes, parent, text) {
  const made = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}
const html = (name, attributes, parent, text) => node(null, name, attributes, parent, text);
const svg = (name, attributes, parent, text) =>
  node("http://www.w3.org/2000/svg", name, attributes, parent, text);

function circle(x, y, r) {
  return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
}
function square(x, y, r) {
  return `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`;
}
function diamond(x, y, r) {
  return `M${x} ${y - 1.3 * r}l${1.3 * r} ${1.3 * r}l${-1.3 * r} ${1.3 * r}l${-1.3 * r} ${-1.3 * r}z`;
}
function triangle(x, y, r) {
  return `M${x} ${y - 1.3 * r}l${1.3 * r} ${2.3 * r}h${-2.6 * r}z`;
}

function format(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(3).replace(/\.?0*e\+?/, "e");
  return value.toLocaleString("en", { maximumSignificantDigits: 4 });
}

function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(k * step || 0); // no -0
  return found;
}

function logTicks(low, high, count) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const factor of [1, 2, 5]) {
      const value = factor * 10 ** power;
      if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
    }
  if (found.length > count) {
    const decades = found.filter((value) => /^1(e|0*$)|^0\.0*1$/.test(String(value)));
    const every = Math.ceil(decades.length / count);
    return decades.length > 1 ? decades.filter((_, k) => k % every === 0) : found.filter((_, k) => k % 2 === 0);
  }
  return found.length > 1 ? found : ticks(low, high, count);
}

function nearest(values, wanted) {
  let best = 0;
  for (let k = 1; k < values.length; k++)
    if (Math.abs(values[k] - wanted) < Math.abs(values[best] - wanted)) best = k;
  return best;
}

const known = (values) => values.filter((value) => value !== null && value !== undefined);
const looks = (series) => ({
  stroke: `var(--s${series % COLOURS})`,
  "stroke-dasharray": DASHES[series % DASHES.length] || "none",
});
const identity = (chart, line) => `${chart.group}/${line.label}`;
function lineKey(series, parent) {
  const key = svg("svg", { width: 24, height: 8, "aria-hidden": "true" }, parent);
  svg("path", { ...looks(series), d: "M0 4H24", class: "line" }, key);
}

// A diagram with lines: {title, unit, xlabel, group, log, ylog, zero, top, left, note, marks, points, places, x:
// [[…]], lines: [{label, series, x, mean, low, high}]}.
function lineChart(figure, chart) {
  figure.replaceChildren();
  figure.className = "chart";
  const caption = html("figcaption", {}, figure, chart.title);
  if (chart.unit) html("span", {}, caption, `, ${chart.unit}`);
  const legend = html("div", { class: "legend" }, figure);
  const where = html("output", {}, null);
  const readouts = chart.lines.map((line) => {
    const alone = chart.lines.length === 1; // nothing to hide then
    const button = alone ? html("span", {}, legend)
      : html("button", { type: "button", "aria-pressed": "true" }, legend);
    if (line.label) lineKey(line.series, button);
    html("span", {}, button, line.label);
    const value = html("b", {}, button);
    if (!alone) button.addEventListener("click", () => {
      const id = identity(chart, line);
      if (!hidden.delete(id)) hidden.add(id);
      redraws.forEach((redraw) => redraw());
    });
    return { button, value };
  });
  legend.append(where);
  if (chart.note) where.textContent = chart.note;
  const plot = html("div", { class: "plot" }, figure);
  let drawn = null;
  let zoom = null; // ends of the x axis, where it is not whole
  let pressed = null;

  function draw() {
    const width = Math.max(plot.clientWidth, 200);
    const height = 210;
    const edge = { left: 52, right: 12, top: 8, bottom: 34 };
    const shown = chart.lines.filter((line) => !hidden.has(identity(chart, line)));
    if (chart.lines.length > 1) chart.lines.forEach((line, k) =>
      readouts[k].button.setAttribute("aria-pressed", String(shown.includes(line))));
    plot.replaceChildren();
    const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: 0 }, plot);
    const summary = shown.map((line) => {
      const values = known(line.mean);
      if (!values.length) return `${line.label}: nothing`;
      return `${line.label}: from ${format(values[0])} to ${format(values.at(-1))}, `
        + `between ${format(Math.min(...values))} and ${format(Math.max(...values))}`;
    });
    picture.setAttribute("aria-label", `${chart.title}, ${chart.unit}, against ${chart.xlabel}. `
      + `${summary.join("; ")}. Arrow keys read values, plus and minus zoom.`);
    const xs = shown.flatMap((line) => chart.x[line.x]);
    const ys = shown.flatMap((line) => known([...line.mean, ...(line.low || []), ...(line.high || [])]));
    drawn = null;
    if (!ys.length) {
      const what = shown.length ? "nothing to show" : "all lines are hidden";
      svg("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, picture, what);
      return;
    }
    let [x0, x1] = [Math.min(...xs), Math.max(...xs)];
    if (chart.left !== undefined) x0 = chart.left;
    const slack = chart.points ? (chart.log ? 0 : (x1 - x0) * 0.04) : 0;
    [x0, x1] = [x0 - slack, x1 + slack];
    if (zoom) [x0, x1] = zoom;
    if (x0 === x1) [x0, x1] = chart.log ? [x0 / 2, x1 * 2] : [x0 - 0.5, x1 + 0.5];
    let [y0, y1] = [Math.min(...ys), Math.max(...ys)];
    if (chart.zero) [y0, y1] = [Math.min(y0, 0), Math.max(y1, 0)];
    const room = (y1 - y0 || Math.abs(y1) || 1) * 0.06;
    y1 = chart.top || y1 + room;
    if (!chart.zero) y0 -= room;
    if (chart.ylog) y0 = 0.8 * Math.min(...shown.flatMap((line) => known(line.mean)));
    const yTicks = chart.ylog ? logTicks(y0, y1, 5) : ticks(y0, y1, 5);
    edge.left = 16 + 6.3 * Math.max(...yTicks.map((value) => format(value).length));
    const unit = (x) => chart.log ? Math.log(x / x0) / Math.log(x1 / x0) : (x - x0) / (x1 - x0);
    const px = (x) => edge.left + unit(x) * (width - edge.left - edge.right);
    // Bands that reach below zero end at the foot of a logarithmic axis.
    const rise = (y) => chart.ylog ? Math.log(Math.max(y, y0) / y0) / Math.log(y1 / y0) : (y - y0) / (y1 - y0);
    const py = (y) => height - edge.bottom - rise(y) * (height - edge.top - edge.bottom);
    for (const y of yTicks) {
      svg("line", { class: "rule", x1: edge.left, x2: width - edge.right, y1: py(y), y2: py(y) }, picture);
      svg("text", { x: edge.left - 6, y: py(y) + 4, "text-anchor": "end" }, picture, format(y));
    }
    const count = Math.max(2, Math.floor((width - edge.left) / 75));
    const names = chart.places;
    const inside = (x) => x >= x0 && x <= x1;
    const xTicks = names ? names.map((_, k) => k).filter(inside) : chart.log ? logTicks(x0, x1, count) : ticks(x0, x1, count);
    const thin = names ? Math.ceil((names.length * 7 * Math.max(...names.map((n) => n.length))) / width) : 1;
    xTicks.filter((_, k) => k % thin === 0).forEach((x) => {
      const at = px(x);
      svg("line", { class: "rule", x1: at, x2: at, y1: height - edge.bottom, y2: height - edge.bottom + 4 }, picture);
      const label = svg("text", { x: at, y: height - edge.bottom + 16, "text-anchor": "middle" },
        picture, names ? names[x] : format(x));
      if (at > width - 24) label.setAttribute("text-anchor", "end");
    });
    svg("text", { x: (edge.left + width - edge.right) / 2, y: height - 4, "text-anchor": "middle" },
      picture, chart.xlabel);
    const clip = `clip${ids++}`;
    const frame = svg("clipPath", { id: clip }, svg("defs", {}, picture));
    svg("rect", { x: edge.left - 5, y: 0, width: width - edge.left - edge.right + 10, height }, frame);
    const lines = svg("g", { "clip-path": `url(#${clip})` }, picture);
    for (const line of shown) {
      const x = chart.x[line.x];
      if (line.low) svg("path", { class: "band", fill: looks(line.series).stroke, d: band(line, x) }, lines);
    }
    for (const line of shown) {
      const x = chart.x[line.x];
      svg("path", { class: "line", ...looks(line.series), d: path(x, line.mean) }, lines);
      // A point between two unknown ones is on no line.
      const alone = (k) => (line.mean[k - 1] ?? null) === null && (line.mean[k + 1] ?? null) === null;
      const all = chart.points || known(line.mean).length < 3;
      const marker = MARKERS[line.series % MARKERS.length];
      const marked = (k) => line.mean[k] !== null && (all || alone(k));
      const d = x.map((at, k) => marked(k) ? marker(px(at), py(line.mean[k]), all ? 3.5 : 2) : "").join("");
      if (d) svg("path", { class: "points", fill: looks(line.series).stroke, d }, lines);
    }
    for (const [x, y] of chart.marks || []) {
      svg("path", { class: "cursor", "stroke-dasharray": "2 3", d: `M${px(x)} ${py(0)}V${py(y)}` }, lines);
      svg("path", { fill: "var(--s1)", d: circle(px(x), py(y), 3.5) }, lines);
    }
    const cursor = svg("g", {}, picture);
    const back = (at) => {
      const share = (at - edge.left) / (width - edge.left - edge.right);
      return chart.log ? x0 * (x1 / x0) ** share : x0 + share * (x1 - x0);
    };
    drawn = { shown, px, py, cursor, edge, width, height, back, ends: [x0, x1] };

    function path(x, y) {
      let [d, open] = ["", false];
      y.forEach((value, k) => {
        if (value !== null) d += `${open ? "L" : "M"}${px(x[k]).toFixed(1)} ${py(value).toFixed(1)}`;
        open = value !== null;
      });
      return d;
    }
    function band(line, x) {
      // One closed piece for each run of points that are known.
      let [d, run] = ["", []];
      x.forEach((_, k) => {
        if (line.low[k] !== null && line.high[k] !== null) run.push(k);
        if (run.length && (line.low[k] === null || line.high[k] === null || k === x.length - 1)) {
          const up = run.map((j) => `${px(x[j]).toFixed(1)} ${py(line.high[j]).toFixed(1)}`);
          const down = run.map((j) => `${px(x[j]).toFixed(1)} ${py(line.low[j]).toFixed(1)}`).reverse();
          d += `M${up.concat(down).join("L")}Z`;
          run = [];
        }
      });
      return d;
    }
  }

  function read(at) {
    if (!drawn) return;
    const { shown, px, py, cursor, edge, height } = drawn;
    cursor.replaceChildren();
    readouts.forEach(({ value }) => { value.textContent = ""; });
    where.textContent = chart.note || "";
    if (at === null) return;
    const place = chart.x[shown[0].x];
    const k = nearest(place.map(px), at);
    svg("line", { class: "cursor", x1: px(place[k]), x2: px(place[k]), y1: edge.top, y2: height - edge.bottom }, cursor);
    where.textContent = `at ${chart.places ? chart.places[place[k]] : format(place[k])}`;
    for (const line of shown) {
      const j = nearest(chart.x[line.x], place[k]);
      const value = line.mean[j];
      if (value === null) continue;
      svg("path", { fill: looks(line.series).stroke, d: circle(px(chart.x[line.x][j]), py(value), 3.5) }, cursor);
      const range = line.low && line.low[j] !== null ? ` (${format(line.low[j])} to ${format(line.high[j])})` : "";
      readouts[chart.lines.indexOf(line)].value.textContent = format(value) + range;
    }
    drawn.k = k;
  }
  const at = (event) => event.clientX - plot.getBoundingClientRect().left;
  plot.addEventListener("pointermove", (event) => read(at(event)));
  // Dragged from one place to another, the diagram shows what is between; a double click, all again.
  plot.addEventListener("pointerdown", (event) => { pressed = at(event); read(pressed); });
  plot.addEventListener("pointerup", (event) => {
    if (drawn && pressed !== null && Math.abs(at(event) - pressed) > 12)
      show([pressed, at(event)].map(drawn.back).sort((a, b) => a - b));
    pressed = null;
  });
  plot.addEventListener("dblclick", () => show(null));
  function show(ends) {
    zoom = ends;
    const focused = plot.contains(document.activeElement);
    draw();
    if (focused) plot.firstChild.focus();
  }
  plot.addEventListener("pointerleave", () => { pressed = null; read(null); });
  plot.addEventListener("focusout", () => read(null));
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!drawn) return;
    if (event.key === "+") {
      const middle = drawn.k === undefined ? (drawn.edge.left + drawn.width) / 2 : drawn.px(chart.x[drawn.shown[0].x][drawn.k]);
      const quarter = (drawn.width - drawn.edge.left - drawn.edge.right) / 4;
      show([middle - quarter, middle + quarter].map(drawn.back));
    }
    if (event.key === "-" || event.key === "Escape") show(null);
    if (!step) return;
    event.preventDefault();
    const place = chart.x[drawn.shown[0].x];
    const k = Math.min(Math.max((drawn.k ?? -1) + step, 0), place.length - 1);
    read(drawn.px(place[k]));
  });
  draw();
  return draw;
}

// The network in some slots: {title, area, stations: [[name, x, y, coverage]], backhaul: [[station,
// station]], slots, times, x, y, station, value, up, label, unit, kind}; x, y, station and up have one row if nothing changes.
function networkMap(figure, map) {
  figure.replaceChildren();
  html("figcaption", {}, figure, map.title);
  const readout = html("div", { class: "legend" }, figure);
  const note = html("output", {}, readout);
  const plot = html("div", { class: "plot" }, figure);
  const label = html("label", {}, figure);
  const slider = html("input", {
    type: "range", min: 0, max: map.slots.length - 1, value: map.slots.length - 1, "aria-label": "slot",
  }, label);
  const time = html("output", {}, label);
  html("p", { class: "note" }, figure, map.note);
  const row = (rows, k) => rows[Math.min(k, rows.length - 1)];
  const colour = (j) => `var(--c${j === 0 ? 0 : 1 + ((j - 1) % (STATIONS - 1))})`;
  const largest = Math.max(1e-300, ...map.value.flatMap((values) => known(values)));
  let update = () => {};

  function draw() {
    const width = Math.max(plot.clientWidth, 200);
    const [w, h] = map.area;
    const scale = Math.min((width - 2) / w, 520 / h);
    const [left, top] = [(width - w * scale) / 2, 1];
    const px = (x) => left + x * scale;
    const py = (y) => top + (h - y) * scale;
    plot.replaceChildren();
    const height = h * scale + 20;
    const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img" }, plot);
    svg("rect", { class: "area", x: left, y: top, width: w * scale, height: h * scale }, picture);
    svg("text", { x: left, y: height - 4 }, picture, `${format(w)} m × ${format(h)} m`);
    const many = map.stations.length > 12;
    const id = `clip${ids++}`;
    const clip = svg("clipPath", { id }, svg("defs", {}, picture));
    svg("rect", { x: left, y: top, width: w * scale, height: h * scale }, clip);
    const cells = svg("g", { "clip-path": `url(#${id})` }, picture);
    map.stations.forEach(([, x, y, coverage], j) => {
      if (coverage === null) return;
      svg("circle", { cx: px(x), cy: py(y), r: coverage * scale, fill: many ? "none" : colour(j),
        "fill-opacity": 0.1, stroke: colour(j), "stroke-opacity": 0.5 }, cells);
    });
    const wires = map.backhaul.map((ends) => "M" + ends.map((j) => `${px(map.stations[j][1])} ${py(map.stations[j][2])}`).join("L"));
    svg("path", { d: wires.join(""), stroke: "var(--text)", "stroke-opacity": 0.45, "stroke-dasharray": "1 3", fill: "none" }, picture);
    const count = row(map.x, 0).length;
    const links = map.stations.map((_, j) => svg("path", { stroke: colour(j), "stroke-opacity": 0.55,
      "stroke-width": count > 300 ? 0.4 : 1, fill: "none" }, picture));
    const small = Math.min(Math.max(30 / Math.sqrt(count), 1), 4);
    const dots = row(map.x, 0).map(() => svg("circle", { "stroke-width": 1.3 }, picture));
    const posts = map.stations.map(([name, x, y], j) => {
      const shape = j === 0 ? square : triangle;
      const post = svg("path", { d: shape(px(x), py(y), 6), stroke: "var(--text)" }, picture);
      const text = many ? null : svg("text", { class: "strong", x: px(x), y: py(y) - 11, "text-anchor": "middle" }, picture, name);
      return { post, text };
    });
    update = () => {
      const k = Number(slider.value);
      const [x, y, station, value, up] = [map.x, map.y, map.station, map.value, map.up].map((rows) => rows && row(rows, k));
      time.textContent = `slot ${map.slots[k].toLocaleString("en")}, ${map.times[k]}`;
      picture.setAttribute("aria-label", `Map of ${map.stations.length} stations and ${count} devices in ${time.textContent}.`);
      const paths = map.stations.map(() => "");
      dots.forEach((dot, n) => {
        const j = station[n];
        const offloads = map.kind === "queue" || value[n] > 0;
        const there = x[n] !== null && y[n] !== null;
        dot.setAttribute("visibility", there ? "visible" : "hidden");
        if (!there) return;
        if (offloads && j >= 0) paths[j] += `M${px(x[n]).toFixed(1)} ${py(y[n]).toFixed(1)}L${px(map.stations[j][1]).toFixed(1)} ${py(map.stations[j][2]).toFixed(1)}`;
        dot.setAttribute("cx", px(x[n]));
        dot.setAttribute("cy", py(y[n]));
        dot.setAttribute("r", map.kind === "queue" ? small * (0.6 + 1.6 * Math.sqrt(value[n] / largest)) : small * 1.3);
        dot.setAttribute("fill", offloads ? colour(j) : "var(--card)");
        dot.setAttribute("stroke", offloads ? "none" : colour(j));
      });
      links.forEach((link, j) => link.setAttribute("d", paths[j]));
      posts.forEach(({ post, text }, j) => {
        const works = !up || up[j];
        post.setAttribute("fill", works ? colour(j) : "var(--card)");
        post.setAttribute("stroke-dasharray", works ? "none" : "2 2");
        if (text) text.textContent = map.stations[j][0] + (works ? "" : " (down)");
      });
    };
    plot.onpointermove = (event) => {
      const frame = plot.getBoundingClientRect();
      const k = Number(slider.value);
      const [x, y] = [row(map.x, k), row(map.y, k)];
      const [mx, my] = [event.clientX - frame.left, event.clientY - frame.top];
      const n = nearest(x.map((at, i) => at === null ? Infinity : Math.hypot(px(at) - mx, py(y[i]) - my)), 0);
      if (x[n] === null) return;
      const value = row(map.value, k)[n];
      const said = map.kind === "queue" ? `${map.label} ${format(value)} ${map.unit}` : value > 0 ? "offloads" : "executes itself";
      note.textContent = `device ${map.devices ? map.devices[n] : n} at ${map.stations[row(map.station, k)[n]]?.[0] ?? "no station"}: ${said}`;
    };
    update();
  }
  plot.addEventListener("pointerleave", () => { note.textContent = ""; });
  slider.addEventListener("input", () => update());
  if (map.slots.length < 2) slider.hidden = true;
  draw();
  return draw;
}

// Numbers of a sweep against a key: {keys: [{name, unit, labels, places}], policies, cases: [[label of
// each key …, policy]], numbers: [{title, unit, mean, half}]}.
function sweepCharts(host, sweep) {
  const controls = html("div", { class: "controls" }, host);
  const grid = html("div", { class: "grid" }, host);
  const choose = (title, options) => {
    const select = html("select", {}, html("label", {}, controls, `${title} `));
    options.forEach((text, k) => html("option", { value: k }, select, text));
    select.addEventListener("change", show);
    return select;
  };
  const axis = sweep.keys.length > 1 ? choose("against", sweep.keys.map((key) => key.name)) : null;
  if (axis) axis.value = sweep.axis;
  const settings = sweep.keys.map((key) => sweep.keys.length > 1 ? choose(key.name, key.labels) : null);
  const figures = sweep.numbers.map(() => html("figure", { class: "chart" }, grid));
  let draws = [];
  function show() {
    const chosen = axis ? Number(axis.value) : 0;
    settings.forEach((select, k) => { if (select) select.parentElement.hidden = k === chosen; });
    const key = sweep.keys[chosen];
    const place = (labels) => key.places ? key.places[labels[chosen]] : labels[chosen];
    draws = sweep.numbers.map((number, n) => {
      const chart = {
        title: number.title, unit: number.unit, ylog: number.log, xlabel: key.unit ? `${key.name}, ${key.unit}` : key.name,
        group: "sweep", points: true, x: [], lines: [], places: key.places ? null : key.labels,
      };
      const span = key.places ? [Math.min(...key.places), Math.max(...key.places)] : [0, 0];
      chart.log = span[0] > 0 && span[1] / span[0] >= 50;
      sweep.policies.forEach((policy, p) => {
        const cases = sweep.cases
          .map((labels, k) => [labels, k])
          .filter(([labels]) => labels.at(-1) === p && settings.every((select, k) => !select || k === chosen || Number(select.value) === labels[k]))
          .sort(([a], [b]) => place(a) - place(b));
        if (!cases.length) return;
        const [mean, low, high] = ["mean", "low", "high"].map((end) => cases.map(([, k]) => number[end][k]));
        chart.lines.push({ label: policy, series: p, x: chart.x.length, mean, low, high });
        chart.x.push(cases.map(([labels]) => place(labels)));
      });
      return lineChart(figures[n], chart);
    });
  }
  show();
  return () => draws.forEach((draw) => draw());
}

// A box for each policy or trace, before the diagrams: whether its lines are shown in all of them. Lines are
// the series of each label.
function chooser(group, lines, diagrams) {
  if (lines.size < 2) return;
  const set = html("fieldset", { class: "chooser" });
  diagrams.before(set);
  html("legend", {}, set, "shown in all diagrams");
  const boxes = [...lines].map(([label, series]) => {
    const around = html("label", {}, set);
    const box = html("input", { type: "checkbox" }, around);
    lineKey(series, around);
    html("span", {}, around, label);
    const id = identity({ group }, { label });
    box.addEventListener("change", () => {
      if (box.checked) hidden.delete(id);
      else hidden.add(id);
      redraws.forEach((redraw) => redraw());
    });
    return { box, id };
  });
  const update = () => boxes.forEach(({ box, id }) => { box.checked = !hidden.has(id); });
  redraws.push(update);
  update();
}

const shared = data.charts.filter((chart) => chart.group === "traces").flatMap((chart) => chart.lines);
chooser("traces", new Map(shared.map((line) => [line.label, line.series])), document.querySelector(".charts"));
for (const figure of document.querySelectorAll("figure[data-chart]"))
  redraws.push(lineChart(figure, data.charts[figure.dataset.chart]));
for (const figure of document.querySelectorAll("figure[data-map]"))
  redraws.push(networkMap(figure, data.maps[figure.dataset.map]));
if (data.sweep) {
  const host = document.getElementById("sweep");
  chooser("sweep", new Map(data.sweep.policies.map((policy, k) => [policy, k])), host);
  redraws.push(sweepCharts(host, data.sweep));
}
let width = document.body.clientWidth;
new ResizeObserver(() => {
  if (document.body.clientWidth === width) return;
  width = document.body.clientWidth;
  redraws.forEach((redraw) => redraw());
}).observe(document.body);
