// The picture as SVG for a width in pixels: bars of lr scale, a strip that marks states, bars of weight decay, modules.
const LAYOUT = { left: 46, right: 8, top: 20, rates: 190, gap: 8, strip: 9, decayTitle: 18, decay: 46, label: 15, levels: 3 };

// Runs of neighbours for which key() is the same and not null: [key, from, to).
function runs(items, key) {
  const found = [];
  items.forEach((item, index) => {
    const value = key(item);
    const last = found[found.length - 1];
    if (last && last[0] === value && last[2] === index) last[2] = index + 1;
    else if (value !== null) found.push([value, index, index + 1]);
  });
  return found;
}

function hatching() {
  const pattern = (id, size, d, style) => drawn("pattern", { id, width: size, height: size, patternUnits: "userSpaceOnUse" },
    drawn("path", { d, class: style }));
  return drawn("defs", {},
    pattern("stripes", 6, "M-1 1L1 -1M0 6L6 0M5 7L7 5", "stripe"),
    pattern("hatch", 5, "M-1 1L1 -1M0 5L5 0M4 6L6 4", "hatch"),
    pattern("cross", 6, "M1 1L5 5M5 1L1 5", "cross"));
}

// bars: [{value, color, over, decay, state, labels}]. Returns the SVG and the positions of the bars.
function drawPicture(bars, width, valueTitle) {
  const { left, right, top, rates, gap, strip, decayTitle, decay, label, levels } = LAYOUT;
  const step = Math.max(0.01, (width - left - right) / bars.length);
  const slim = step >= 5 ? 1 : 0;
  const x = (index) => left + index * step;
  const floor = top + rates;
  const decayFloor = floor + gap + strip + decayTitle + decay;
  const height = decayFloor + 8 + label * levels + 4;
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", focusable: "false" }, hatching());
  const add = (tag, attributes, ...children) => svg.append(drawn(tag, attributes, ...children));
  const text = (content, attributes) => add("text", attributes, content);
  const box = (from, to, y, tall) => {
    const wide = Math.max(0.4, (to - from) * step - slim);
    return `M${x(from).toFixed(2)} ${(y - tall).toFixed(2)}h${wide.toFixed(2)}v${tall.toFixed(2)}h-${wide.toFixed(2)}z`;
  };

  const values = bars.flatMap((bar) => [bar.value, bar.before]).filter(isNumber);
  const scale = axis(values, valueTitle === "lr scale" ? 1 : 0);
  for (const tick of scale.ticks) {
    const y = floor - scale.height(tick) * rates;
    add("line", { class: "grid", x1: left, x2: width - right, y1: y, y2: y });
    text(tickText(tick), { x: left - 6, y: y + 4, "text-anchor": "end" });
  }
  const areas = new Map();
  const paint = (name, d) => areas.set(name, (areas.get(name) ?? "") + d);
  const most = Math.max(...bars.flatMap((bar) => [bar.decay, bar.decayBefore]).filter(isNumber), 0);
  bars.forEach((bar, index) => {
    if (isNumber(bar.value)) {
      const tall = scale.height(bar.value) * rates;
      if (bar.value > 0) paint(bar.color, box(index, index + 1, floor, Math.max(1, tall)));
      else paint("no-decay", box(index, index + 1, floor, 4));
      if (bar.over) paint("stripes", box(index, index + 1, floor, tall));
    }
    if (bar.decay > 0) paint("decay", box(index, index + 1, decayFloor, (bar.decay / most) * decay));
    else if (bar.decay === 0) paint("no-decay", box(index, index + 1, decayFloor, 3));
  });
  for (const [name, d] of areas) {
    add("path", name === "stripes" ? { d, fill: "url(#stripes)", "data-bars": name } : { d, class: name, "data-bars": name });
  }

  const line = (key, foot, height) => runs(bars.map((bar) => bar[key] ?? null), (value) => value).map(([value, from, to]) =>
    `M${x(from).toFixed(2)} ${(foot - height(value)).toFixed(2)}h${((to - from) * step - slim).toFixed(2)}`).join("");
  add("path", { class: "past", d: line("before", floor, (value) => scale.height(value) * rates) });
  add("path", { class: "past", d: line("decayBefore", decayFloor, (value) => (most ? (value / most) * decay : 0)) });

  // A state or a scale above 1 stays visible even if its bars are very narrow.
  for (const [state, from, to] of runs(bars, (bar) => (bar.state === "grouped" ? null : bar.state))) {
    const wide = Math.max(3, (to - from) * step - slim);
    add("rect", { class: "state", x: Math.min(x(from), width - right - wide), y: floor + gap, width: wide, height: strip, fill: `url(#${state === "missing" ? "cross" : "hatch"})`, "data-state": state });
  }
  const over = runs(bars, (bar) => (bar.over ? "over" : null));
  for (const [, from, to] of over) {
    add("path", { class: "mark", "data-over": to - from, d: `M${x(from)} ${top - 4}h${Math.max(4, (to - from) * step - slim)}` });
  }
  if (over.length) {
    const middle = (x(over[0][1]) + x(over[0][2])) / 2;
    const near = Math.min(Math.max(middle, left + 130), width - right - 34);
    text("\u25B2 above 1", { class: "warn", x: near, y: top - 8, "text-anchor": "middle" });
  }
  if (valueTitle === "lr scale") {
    const y = floor - scale.height(1) * rates;
    add("line", { class: "one", x1: left, x2: width - right, y1: y, y2: y });
  }
  for (const y of [floor, decayFloor]) add("line", { class: "axis", x1: left, x2: width - right, y1: y, y2: y });
  text(`${valueTitle}${scale.log ? " (log)" : ""}`, { class: "title", x: 4, y: 12 });
  text(most ? "weight decay" : "weight decay: none", { class: "title", x: 4, y: decayFloor - decay - 6 });
  if (most) {
    text(String(Number(most.toPrecision(3))), { x: left - 6, y: decayFloor - decay + 8, "text-anchor": "end" });
    text("0", { x: left - 6, y: decayFloor + 3, "text-anchor": "end" });
  }

  for (let level = 0; level < levels; level++) {
    const path = (bar) => (bar.labels.length > level ? bar.labels.slice(0, level + 1).join(".") : null);
    for (const [, from, to] of runs(bars, path)) {
      const room = (to - from) * step;
      const name = bars[from].labels[level];
      const y = decayFloor + 8 + label * (level + 1);
      if (room > 6) add("line", { class: level ? "grid" : "axis", x1: x(from) + 1, x2: x(to) - 2, y1: y - 11.5, y2: y - 11.5 });
      if (room > name.length * 6.6 + 4) text(name, { x: x(from) + 2, y });
    }
  }
  return { svg, step, left, height, bottom: decayFloor };
}
