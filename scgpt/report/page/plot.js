// The scatter plot of the report. All data are in the page, as JSON; texts go into
// the document as text, never as markup.
"use strict";
(() => {
const $ = id => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const numbers = text => {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Uint16Array.from({length: bytes.length / 2}, (_, i) => view.getUint16(2 * i, true));
};
const none = 65535, count = data.cells.length;
const confidence = numbers(data.confidence), labels = numbers(data.labels);
const truth = data.truth ? numbers(data.truth) : null;
const layouts = data.layouts.map(l => ({...l, points: numbers(l.points)}));
const grouped = new Intl.NumberFormat("en-US");
const sure = i => (confidence[i] / 65535).toFixed(3);

// The ways to colour cells. A mode of kinds has a number of one for each cell.
const missing = {name: "not known", colour: -1, marker: 0};
function kindMode(name, kinds, values) {
  const own = kinds.slice(), counts = new Uint32Array(kinds.length + 1);
  const of = Uint16Array.from(values, v => v === none ? kinds.length : v);
  for (const v of of) counts[v]++;
  if (counts[kinds.length]) own.push(missing);
  return {name, kinds: own, of, counts, hidden: new Set()};
}
const modes = [kindMode("Predicted type", data.kinds, labels), {name: "Confidence", ramp: true}];
if (truth) {
  modes.push(kindMode("True type (" + data.truthKey + ")", data.kinds, truth));
  const right = [{name: "as predicted", colour: 0, marker: 0}, {name: "other than predicted", colour: 1, marker: 3}];
  modes.push(kindMode("Right or wrong", right, truth.map((t, i) => t === none ? none : t === labels[i] ? 0 : 1)));
}
for (const c of data.columns || []) modes.push(kindMode(c.name, c.kinds, numbers(c.values)));

const state = {
  layout: layouts[0], mode: modes[0], least: 0, names: false,
  lit: -1, found: null, chosen: -1, under: -1,
  zoom: 1, x: 0.5, y: 0.5, // the middle of the view, in the square of the layout
};
const canvas = $("canvas"), context = canvas.getContext("2d"), tip = $("tip");
let width = 0, height = 0, ratio = 1, size = 1, radius = 3;

// Cells are drawn in an order that has nothing to do with that in the file, so
// that no type covers the others.
const order = new Uint32Array(count);
for (let i = 0; i < count; i++) order[i] = i;
for (let i = count - 1, seed = 1; i > 0; i--) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  const j = seed % (i + 1), t = order[i];
  order[i] = order[j];
  order[j] = t;
}

// By confidence, the cells that are least sure come last.
const bySureness = order.slice().sort((a, b) => confidence[b] - confidence[a]);

const shown = i => confidence[i] >= state.least * 65535 - 0.5 && (state.mode.ramp || !state.mode.hidden.has(state.mode.of[i]));
const screenX = i => (state.layout.points[2 * i] / 65535 - state.x) * size * state.zoom + width / 2;
const screenY = i => height / 2 - (state.layout.points[2 * i + 1] / 65535 - state.y) * size * state.zoom;

const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colourOf = kind => kind.colour < 0 ? data.neutral : data.palette[kind.colour];
const rampAt = share => {
  const p = share * (data.ramp.length - 1), i = Math.min(Math.floor(p), data.ramp.length - 2);
  const part = hex => [1, 3, 5].map(k => parseInt(hex.slice(k, k + 2), 16));
  const a = part(data.ramp[i]), b = part(data.ramp[i + 1]);
  return "rgb(" + a.map((v, k) => Math.round(v + (b[k] - v) * (p - i))) + ")";
};

// shape draws one of the markers around a point.
function shape(c, marker, x, y, r) {
  const path = points => {
    points.forEach(([px, py], i) => c[i ? "lineTo" : "moveTo"](x + px * r, y + py * r));
    c.closePath();
  };
  c.beginPath();
  switch (marker) {
  case 1: path([[0, -1.2], [1.12, 0.9], [-1.12, 0.9]]); break;
  case 2: path([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]); break;
  case 3: path([[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]]); break;
  case 4: { const a = 0.38, b = 1.15; path([[-a, -b], [a, -b], [a, -a], [b, -a], [b, a], [a, a], [a, b], [-a, b], [-a, a], [-b, a], [-b, -a], [-a, -a]]); break; }
  default: c.arc(x, y, r, 0, 2 * Math.PI);
  }
}

// Each look of a point is drawn once, and kept as the pixels that it covers: for
// each where it is, seen from the middle, its colour and how much of it there is.
let looks = new Map();
function look(colour, marker, scale) {
  const key = colour + marker;
  let s = looks.get(key);
  if (s) return s;
  const r = radius * scale, side = 2 * Math.ceil(1.3 * r + 2) + 1, middle = side / 2;
  const c = Object.assign(document.createElement("canvas"), {width: side, height: side}).getContext("2d", {willReadFrequently: true});
  shape(c, marker, middle, middle, r);
  c.fillStyle = colour;
  c.fill();
  if (radius > 2.4) {
    c.lineWidth = 0.8 * scale;
    c.strokeStyle = style("--card");
    c.stroke();
  }
  const d = c.getImageData(0, 0, side, side).data;
  s = {x: [], y: [], r: [], g: [], b: [], a: []};
  for (let i = 0; i < side * side; i++) {
    if (!d[4 * i + 3]) continue;
    s.x.push(i % side - (side >> 1));
    s.y.push(Math.floor(i / side) - (side >> 1));
    ["r", "g", "b"].forEach((k, j) => s[k].push(d[4 * i + j]));
    s.a.push(d[4 * i + 3] / 255);
  }
  looks.set(key, s);
  return s;
}

// raster is the picture of the points, with a margin so that those on its edge need
// no care. A canvas would take ten times as long for a hundred thousand of them.
let raster = null;
function clearRaster(w, h, margin) {
  if (!raster || raster.w !== w || raster.h !== h || raster.margin !== margin) {
    raster = {w, h, margin, image: new ImageData(w + 2 * margin, h + 2 * margin)};
  }
  const c = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
  c.fillStyle = style("--card");
  c.fillRect(0, 0, 1, 1);
  new Uint32Array(raster.image.data.buffer).fill(new Uint32Array(c.getImageData(0, 0, 1, 1).data.buffer)[0]);
}
function stamp(s, x, y, alpha) {
  const {image, margin} = raster, d = image.data, line = image.width;
  if (!s.offsets || s.line !== line) {
    s.line = line;
    s.offsets = Int32Array.from(s.x, (dx, k) => 4 * (s.y[k] * line + dx));
    s.rgba = Float32Array.from({length: 4 * s.x.length}, (_, k) => [s.r, s.g, s.b, s.a][k & 3][k >> 2]);
  }
  const from = 4 * ((y + margin) * line + x + margin), {offsets, rgba} = s;
  for (let k = 0; k < offsets.length; k++) {
    const o = from + offsets[k], a = rgba[4 * k + 3] * alpha;
    d[o] += (rgba[4 * k] - d[o]) * a;
    d[o + 1] += (rgba[4 * k + 1] - d[o + 1]) * a;
    d[o + 2] += (rgba[4 * k + 2] - d[o + 2]) * a;
  }
}

function resize() {
  const box = canvas.getBoundingClientRect();
  if (!box.width || !box.height) return;
  width = box.width;
  height = box.height;
  ratio = Math.min(window.devicePixelRatio || 1, 3);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  fill();
  restyle();
}

// fill makes the layout as large as the canvas allows.
function fill() { size = Math.max(1, Math.min((width - 48) / state.layout.width, (height - 48) / state.layout.height)); }

function restyle() {
  looks = new Map();
  const fit = Math.max(1.15, Math.min(5, 105 / Math.sqrt(count)));
  radius = fit * Math.min(2.2, Math.pow(state.zoom, 0.4));
  queue();
}

// queue has the browser draw when it finds the time: all, or, where only the marked
// cell is another one, what was drawn before with another mark.
let queued = false, stale = true;
function queue(all = true) {
  stale ||= all;
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => {
    queued = false;
    if (stale || !raster) redraw();
    else compose(context, ratio, true);
  });
}
function redraw() {
  stale = false;
  report(paint(width, height, ratio));
  compose(context, ratio, true);
}

// paint makes the picture of the points, and returns how many are to be seen.
function paint(w, h, scale) {
  const wide = Math.round(w * scale), high = Math.round(h * scale), margin = Math.ceil(3 * radius * scale) + 8;
  clearRaster(wide, high, margin);
  const ramp = state.mode.ramp && Array.from({length: 65}, (_, i) => look(rampAt(i / 64), 0, scale));
  const kinds = ramp || state.mode.kinds.map(k => look(colourOf(k), k.marker, scale));
  const dim = state.lit >= 0 || state.found, points = state.layout.points, reach = margin - Math.ceil(1.3 * radius * scale) - 3;
  const span = size * state.zoom * scale, left = wide / 2 - state.x * span, top = high / 2 + state.y * span;
  let visible = 0;
  for (const bright of dim ? [false, true] : [true]) {
    const alpha = bright ? (count > 20000 ? 0.8 : 0.9) : 0.13;
    for (const i of ramp ? bySureness : order) {
      if (!shown(i)) continue;
      const emphasised = !dim || (state.lit < 0 || state.mode.of[i] === state.lit) && (!state.found || state.found.has(i));
      if (emphasised !== bright) continue;
      if (bright) visible++;
      const x = Math.round(left + points[2 * i] / 65535 * span), y = Math.round(top - points[2 * i + 1] / 65535 * span);
      if (x < -reach || y < -reach || x >= wide + reach || y >= high + reach) continue;
      stamp(kinds[ramp ? Math.round(confidence[i] / 65535 * 64) : state.mode.of[i]], x, y, alpha);
    }
  }
  raster.names = state.names && !ramp ? placeNames(w, h) : [];
  return visible;
}

// compose puts the picture on a canvas, with names, and with the marked cell.
function compose(c, scale, marked) {
  c.setTransform(1, 0, 0, 1, 0, 0);
  c.putImageData(raster.image, -raster.margin, -raster.margin);
  c.setTransform(scale, 0, 0, scale, 0, 0);
  c.font = nameFont;
  c.textAlign = "center";
  c.textBaseline = "middle";
  c.lineJoin = "round";
  for (const n of raster.names) {
    c.lineWidth = 4;
    c.strokeStyle = style("--card");
    c.strokeText(n.text, n.x, n.y);
    c.fillStyle = style("--ink");
    c.fillText(n.text, n.x, n.y);
  }
  const at = state.under >= 0 ? state.under : state.chosen;
  if (marked && at >= 0 && shown(at)) {
    c.beginPath();
    c.arc(screenX(at), screenY(at), radius + 4, 0, 2 * Math.PI);
    c.lineWidth = 2;
    c.strokeStyle = style("--ink");
    c.stroke();
  }
}

// placeNames puts each kind's name at the median of its cells, those of most cells
// first; one that would cover another is left out.
const nameFont = "600 12.5px system-ui,sans-serif";
function placeNames(w, h) {
  const groups = state.mode.kinds.map(() => []);
  for (let i = 0; i < count; i++) if (shown(i)) groups[state.mode.of[i]].push(i);
  const middle = values => Float64Array.from(values).sort()[values.length >> 1];
  const taken = [];
  context.font = nameFont;
  const places = groups.map((g, k) => ({k, g})).filter(p => p.g.length).sort((a, b) => b.g.length - a.g.length);
  for (const {k, g} of places) {
    const name = state.mode.kinds[k].name, text = name.length > 34 ? name.slice(0, 33) + "…" : name;
    const x = middle(g.map(screenX)), y = middle(g.map(screenY)), half = context.measureText(text).width / 2 + 4;
    if (x < 0 || y < 0 || x > w || y > h) continue;
    const at = Math.max(half + 2, Math.min(w - half - 2, x));
    if (taken.every(t => Math.abs(t.x - at) >= t.half + half || Math.abs(t.y - y) >= 17)) taken.push({text, x: at, y, half});
  }
  return taken;
}

function report(visible) {
  canvas.dataset.drawn = visible;
  const text = grouped.format(visible) + " of " + grouped.format(count) + " cells" + (state.found ? " found" : " shown");
  if ($("status").textContent !== text) $("status").textContent = text;
  canvas.setAttribute("aria-label", "Scatter plot, " + state.layout.name + ", coloured by " + state.mode.name.toLowerCase() + ", " + text);
}

// The cell nearest to a place on the screen, within reach of a finger or pointer.
let buckets = null;
const side = 128;
function index() {
  const starts = new Uint32Array(side * side + 1), points = state.layout.points;
  const cellOf = i => (points[2 * i] >> 9) * side + (points[2 * i + 1] >> 9);
  for (let i = 0; i < count; i++) starts[cellOf(i) + 1]++;
  for (let i = 0; i < side * side; i++) starts[i + 1] += starts[i];
  const members = new Uint32Array(count), next = starts.slice();
  for (let i = 0; i < count; i++) members[next[cellOf(i)]++] = i;
  buckets = {starts, members, layout: state.layout};
}
function nearest(x, y, reach) {
  if (!buckets || buckets.layout !== state.layout) index();
  const span = size * state.zoom, px = (x - width / 2) / span + state.x, py = (height / 2 - y) / span + state.y, r = reach / span;
  const clamp = v => Math.max(0, Math.min(side - 1, Math.floor(v * 65535 / 512)));
  let best = -1, least = reach * reach;
  for (let a = clamp(px - r); a <= clamp(px + r); a++) {
    for (let b = clamp(py - r); b <= clamp(py + r); b++) {
      for (let m = buckets.starts[a * side + b]; m < buckets.starts[a * side + b + 1]; m++) {
        const i = buckets.members[m];
        if (!shown(i) || state.found && !state.found.has(i)) continue;
        const dx = screenX(i) - x, dy = screenY(i) - y, d = dx * dx + dy * dy;
        if (d < least) { best = i; least = d; }
      }
    }
  }
  return best;
}

function element(name, props, ...children) {
  const e = Object.assign(document.createElement(name), props);
  e.append(...children);
  return e;
}

function factsOf(i) {
  const facts = [["Predicted", labels[i] === none ? "–" : data.kinds[labels[i]].name], ["Confidence", sure(i)]];
  if (truth) facts.push(["True", truth[i] === none ? "not known" : data.kinds[truth[i]].name + (truth[i] === labels[i] ? " ✓" : " ✗")]);
  for (const m of modes.slice(truth ? 4 : 2)) facts.push([m.name, m.kinds[m.of[i]].name]);
  return facts;
}

function showTip() {
  const i = state.under >= 0 ? state.under : state.chosen;
  if (i < 0 || !shown(i)) { tip.hidden = true; return; }
  tip.replaceChildren(element("b", {textContent: data.cells[i]}),
    ...factsOf(i).map(([name, value]) => element("div", {className: "pair"}, element("span", {textContent: name}), element("span", {textContent: value}))));
  tip.hidden = false;
  const x = screenX(i), y = screenY(i), box = tip.getBoundingClientRect(), gap = radius + 12;
  const left = x + gap + box.width < width ? x + gap : Math.max(4, x - gap - box.width);
  tip.style.left = left + "px";
  tip.style.top = Math.max(4, Math.min(height - box.height - 4, y - box.height / 2)) + "px";
  canvas.dataset.x = x;
  canvas.dataset.y = y;
}

function choose(i, speak) {
  state.chosen = i;
  if (i >= 0 && speak) {
    $("spoken").textContent = data.cells[i] + ", " + factsOf(i).map(f => f.join(" ")).join(", ");
    const x = screenX(i), y = screenY(i);
    if (x < 20 || y < 20 || x > width - 20 || y > height - 20) {
      state.x = state.layout.points[2 * i] / 65535;
      state.y = state.layout.points[2 * i + 1] / 65535;
    }
  }
  state.under = -1;
  showTip();
  queue();
}

function zoomAt(x, y, factor) {
  const before = state.zoom, span = size * state.zoom;
  state.zoom = Math.max(0.5, Math.min(200, state.zoom * factor));
  const px = (x - width / 2) / span, py = (height / 2 - y) / span, part = 1 - before / state.zoom;
  state.x += px * part;
  state.y += py * part;
  restyle();
  showTip();
}
function fit() {
  Object.assign(state, {zoom: 1, x: 0.5, y: 0.5});
  fill();
  restyle();
  showTip();
}

// The legend.
const svg = name => document.createElementNS("http://www.w3.org/2000/svg", name);
function markOf(kind) {
  const mark = svg("svg"), use = svg("use");
  mark.setAttribute("class", "mark " + (kind.colour < 0 ? "none" : "c" + kind.colour));
  mark.setAttribute("aria-hidden", "true");
  use.setAttribute("href", "#m" + kind.marker);
  mark.append(use);
  return mark;
}
function legend() {
  const mode = state.mode;
  $("legend-title").textContent = mode.name;
  $("legend").hidden = $("all").hidden = $("nobody").hidden = Boolean(mode.ramp);
  $("scale").hidden = !mode.ramp;
  if (mode.ramp) {
    const bar = element("canvas", {width: 256, height: 1}), c = bar.getContext("2d");
    for (let i = 0; i < 256; i++) { c.fillStyle = rampAt(i / 255); c.fillRect(i, 0, 1, 1); }
    $("scale").replaceChildren(bar, element("div", {}, element("span", {textContent: "0"}), element("span", {textContent: "0.5"}), element("span", {textContent: "1"})));
    return;
  }
  $("legend").replaceChildren(...mode.kinds.map((kind, k) => {
    const toggle = element("button", {type: "button", className: "toggle"}, markOf(kind),
      element("span", {textContent: kind.name}), element("span", {className: "count", textContent: grouped.format(mode.counts[k])}));
    toggle.setAttribute("aria-pressed", String(!mode.hidden.has(k)));
    toggle.onclick = () => { if (!mode.hidden.delete(k)) mode.hidden.add(k); changed(); };
    const only = element("button", {type: "button", className: "only", textContent: "only"});
    only.setAttribute("aria-label", "only " + kind.name);
    only.onclick = () => { mode.hidden = new Set(mode.kinds.keys()); mode.hidden.delete(k); changed(); };
    const item = element("li", {}, toggle, only);
    const light = on => () => { state.lit = on && !mode.hidden.has(k) ? k : -1; queue(); };
    item.onmouseenter = light(true);
    item.onmouseleave = light(false);
    item.addEventListener("focusin", light(true));
    item.addEventListener("focusout", light(false));
    return item;
  }));
}
// changed brings the legend up to date in place, so that the focus stays.
function changed() {
  state.lit = -1;
  $("legend").querySelectorAll(".toggle").forEach((b, k) => b.setAttribute("aria-pressed", String(!state.mode.hidden.has(k))));
  showTip();
  queue();
}

// The tools.
for (const l of layouts) {
  const b = element("button", {type: "button", textContent: l.name, title: l.note});
  b.setAttribute("aria-pressed", String(l === state.layout));
  b.onclick = () => {
    state.layout = l;
    for (const other of $("layouts").children) other.setAttribute("aria-pressed", String(other === b));
    state.under = -1;
    fit();
  };
  $("layouts").append(b);
}
$("colour").append(...modes.map((m, k) => element("option", {value: k, textContent: m.name})));
$("colour").onchange = e => { state.mode = modes[e.target.value]; state.lit = -1; legend(); showTip(); queue(); };
$("least").oninput = e => { state.least = Number(e.target.value); $("least-value").textContent = state.least.toFixed(2); showTip(); queue(); };
$("names").onchange = e => { state.names = e.target.checked; queue(); };
$("find").oninput = e => {
  const wanted = e.target.value.trim().toLowerCase();
  state.found = null;
  if (wanted) {
    const kinds = new Set(data.kinds.flatMap((k, i) => k.name.toLowerCase().includes(wanted) ? [i] : []));
    state.found = new Set();
    for (let i = 0; i < count; i++) if (kinds.has(labels[i]) || data.cells[i].toLowerCase().includes(wanted)) state.found.add(i);
  }
  state.chosen = state.found && state.found.size === 1 ? state.found.values().next().value : -1;
  state.under = -1;
  showTip();
  queue();
};
$("find").onkeydown = e => { if (e.key === "Escape") { e.target.value = ""; e.target.oninput(e); } };
$("fit").onclick = fit;
$("nearer").onclick = () => zoomAt(width / 2, height / 2, 1.4);
$("farther").onclick = () => zoomAt(width / 2, height / 2, 1 / 1.4);
$("all").onclick = () => { state.mode.hidden.clear(); changed(); };
$("nobody").onclick = () => { state.mode.hidden = new Set(state.mode.kinds.keys()); changed(); };
$("save").onclick = () => {
  const big = element("canvas", {width: Math.round(width * 3), height: Math.round(height * 3)});
  looks = new Map();
  paint(width, height, 3);
  compose(big.getContext("2d"), 3, false);
  restyle(); // in the screen's size again
  big.toBlob(blob => {
    const link = element("a", {href: URL.createObjectURL(blob), download: state.layout.name.toLowerCase() + ".png"});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
};

// Pointer, wheel and keys.
const pointers = new Map();
let moved = false;
const place = e => { const box = canvas.getBoundingClientRect(); return {x: e.clientX - box.left, y: e.clientY - box.top}; };
canvas.onpointerdown = e => {
  pointers.set(e.pointerId, place(e));
  if (e.pointerType === "mouse") canvas.setPointerCapture(e.pointerId);
  moved = false;
};
canvas.onpointermove = e => {
  const now = place(e), before = pointers.get(e.pointerId);
  if (!before) {
    const under = nearest(now.x, now.y, radius + 7);
    if (under !== state.under) { state.under = under; showTip(); queue(false); }
    canvas.classList.toggle("over", under >= 0);
    return;
  }
  if (pointers.size === 2) {
    const other = [...pointers].find(([id]) => id !== e.pointerId)[1];
    const apart = p => Math.hypot(p.x - other.x, p.y - other.y);
    zoomAt((now.x + other.x) / 2, (now.y + other.y) / 2, apart(now) / Math.max(1, apart(before)));
  } else if (moved || Math.hypot(now.x - before.x, now.y - before.y) > 3) {
    if (!moved) { moved = true; canvas.classList.add("drag"); }
    const span = size * state.zoom;
    state.x -= (now.x - before.x) / span;
    state.y += (now.y - before.y) / span;
    showTip();
    queue();
  } else return;
  pointers.set(e.pointerId, now);
};
canvas.onpointerup = canvas.onpointercancel = e => {
  const here = place(e);
  if (pointers.delete(e.pointerId) && !moved && e.type === "pointerup") choose(nearest(here.x, here.y, radius + (e.pointerType === "mouse" ? 7 : 16)), false);
  canvas.classList.remove("drag");
};
canvas.onpointerleave = () => { if (state.under >= 0) { state.under = -1; showTip(); queue(false); } };
canvas.ondblclick = e => { const p = place(e); zoomAt(p.x, p.y, 2); };
canvas.addEventListener("wheel", e => {
  if (document.activeElement !== canvas && !e.ctrlKey) return; // the page scrolls
  e.preventDefault();
  const p = place(e);
  zoomAt(p.x, p.y, Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.0016)));
}, {passive: false});
function walk(by) {
  for (let k = 1; k <= count; k++) {
    const i = ((state.chosen < 0 ? (by > 0 ? -1 : 0) : state.chosen) + by * k + 2 * count) % count;
    if (shown(i) && (!state.found || state.found.has(i))) return choose(i, true);
  }
}
canvas.onkeydown = e => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const step = 0.12 / state.zoom;
  const keys = {
    ArrowLeft: () => { state.x -= step; }, ArrowRight: () => { state.x += step; },
    ArrowUp: () => { state.y += step; }, ArrowDown: () => { state.y -= step; },
    "+": () => zoomAt(width / 2, height / 2, 1.4), "=": () => zoomAt(width / 2, height / 2, 1.4), "-": () => zoomAt(width / 2, height / 2, 1 / 1.4),
    0: fit, n: () => walk(1), p: () => walk(-1), Escape: () => choose(-1, false),
  };
  const act = keys[e.key.length === 1 ? e.key.toLowerCase() : e.key];
  if (!act) return;
  e.preventDefault();
  act();
  showTip();
  queue();
};

// Light and dark.
const dark = matchMedia("(prefers-color-scheme: dark)"), root = document.documentElement;
const isDark = () => (root.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
const sayTheme = () => { $("theme-name").textContent = isDark() ? "Light" : "Dark"; restyle(); };
$("theme").onclick = () => { root.dataset.theme = isDark() ? "light" : "dark"; sayTheme(); };
dark.addEventListener("change", sayTheme);
// Paper is white, and the plot on it as wide as the paper: only the colours of the
// page change with the medium, so the plot is drawn again.
matchMedia("print").addEventListener("change", () => { resize(); redraw(); });
addEventListener("beforeprint", redraw);
addEventListener("afterprint", restyle);

for (const id of ["tools", "stage", "status-line", "theme"]) $(id).hidden = false;
legend();
new ResizeObserver(resize).observe(canvas);
resize();
sayTheme();
})();
