// Values over a run: one line for groups with equal values, to switch on and off and to read at any step.
if (DATA.chart) {
  const { title, unit, length, part, steps, lines, logarithmic } = DATA.chart;
  const frame = byId("chart-frame");
  const readout = byId("chart-readout");
  const log = byId("chart-log");
  // Lines differ in more than colour.
  const dash = (index) => [null, "8 4", "2 3", "10 3 2 3"][index % 4];
  const on = lines.map(() => true);
  const EDGE = { left: 52, right: 14, top: 22, height: 260, bottom: 34 };
  let now = steps.length - 1;
  let view = null;
  log.checked = logarithmic;

  // Four digits, as in the tables.
  const texts = (value) => {
    if (value === null) return "\u2013";
    if (value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e4)) {
      return value.toExponential(3).replace(/\.?0+e/, "e").replace(/e([+-])(\d)$/, "e$10$2");
    }
    return String(Number(value.toPrecision(4)));
  };
  const where = (step) => {
    const count = step.toLocaleString("en");
    return part ? `epoch ${Math.floor(step / part).toLocaleString("en")}, ${unit} ${count}` : `${unit} ${count}`;
  };
  const rows = lines.map((line, index) => {
    const box = element("input", { type: "checkbox", change: () => { on[index] = box.checked; draw(); } });
    box.checked = true;
    const sample = drawn("svg", { viewBox: "0 0 32 12", "aria-hidden": "true" },
      drawn("line", { class: `curve ${line.color}`, x1: 0, x2: 32, y1: 6, y2: 6, "stroke-dasharray": dash(index) }));
    const value = element("span", { class: "value" });
    const label = element("label", {}, box, sample, element("span", { class: "label" }, line.label), value);
    const strong = (wanted) => () => view.svg.querySelector(`[data-line="${index}"]`)?.classList.toggle("strong", wanted);
    for (const [event, wanted] of [["pointerenter", true], ["pointerleave", false]]) label.addEventListener(event, strong(wanted));
    box.addEventListener("focus", strong(true));
    box.addEventListener("blur", strong(false));
    byId("chart-lines").append(element("li", {}, label));
    return { box, value };
  });

  const pointer = drawn("line", { class: "step" });
  const pointAt = (index) => {
    now = Math.min(Math.max(index, 0), steps.length - 1);
    const x = view.x(steps[now]);
    fill(pointer, { x1: x, x2: x, y1: EDGE.top, y2: EDGE.top + EDGE.height }, []);
    rows.forEach(({ value }, line) => { value.textContent = texts(lines[line].values[now]); });
    const shown = lines.flatMap((line, each) => (on[each] ? [line.values[now]] : [])).filter(isNumber);
    const range = shown.length ? [Math.min(...shown), Math.max(...shown)].map(texts) : [];
    const summary = range.length ? `${title} ${range[0] === range[1] ? range[0] : `${range[0]} to ${range[1]}`}` : "no group shown";
    readout.textContent = `${where(steps[now])}: ${summary}`;
    frame.setAttribute("aria-valuenow", steps[now]);
    frame.setAttribute("aria-valuetext", readout.textContent);
  };

  function draw() {
    const width = Math.max(260, Math.round(frame.clientWidth - 16));
    const { left, right, top, height, bottom } = EDGE;
    const values = lines.flatMap((line, index) => (on[index] ? line.values : [])).filter(isNumber);
    const scale = axis(values, 0, log.checked);
    const x = (step) => left + (step / Math.max(1, length - 1)) * (width - left - right);
    const y = (value) => top + height - scale.height(value) * height;
    const svg = drawn("svg", { viewBox: `0 0 ${width} ${top + height + bottom}`, "aria-hidden": "true", focusable: "false" });
    const text = (content, attributes) => svg.append(drawn("text", attributes, content));
    for (const tick of values.length ? scale.ticks : []) {
      svg.append(drawn("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }));
      text(tickText(tick), { x: left - 6, y: y(tick) + 4, "text-anchor": "end" });
    }
    const size = part ?? 1;
    for (const tick of roundTicks(length / size).filter(Number.isInteger)) {
      const place = Math.min(x(tick * size), width - right);
      svg.append(drawn("line", { class: "axis", x1: place, x2: place, y1: top + height, y2: top + height + 5 }));
      text(tick.toLocaleString("en"), { x: place, y: top + height + 17, "text-anchor": "middle" });
    }
    svg.append(drawn("line", { class: "axis", x1: left, x2: width - right, y1: top + height, y2: top + height }));
    text(part ? "epoch" : unit, { x: width - right, y: top + height + 31, "text-anchor": "end" });
    text(`${title}${scale.log ? " (log)" : ""}`, { x: 4, y: 12 });
    lines.forEach((line, index) => {
      if (!on[index]) return;
      let pen = "M";
      const path = line.values.map((value, sample) => {
        // A logarithmic scale cannot show 0.
        if (!isNumber(value) || (scale.log && value <= 0)) { pen = "M"; return ""; }
        const move = `${pen}${x(steps[sample]).toFixed(1)} ${y(value).toFixed(1)}`;
        pen = "L";
        return move;
      }).join("");
      svg.append(drawn("path", { class: `curve ${line.color}`, d: path, "stroke-dasharray": dash(index), "data-line": index }));
    });
    svg.append(pointer);
    view = { svg, x, width };
    frame.replaceChildren(svg);
    pointAt(now);
  }

  // The sample nearest to the pointer.
  const sampleAt = (event) => {
    const box = view.svg.getBoundingClientRect();
    const place = ((event.clientX - box.left) / box.width) * view.width;
    const distance = (index) => Math.abs(view.x(steps[index]) - place);
    return steps.reduce((best, _, index) => (distance(index) < distance(best) ? index : best), 0);
  };
  frame.addEventListener("pointermove", (event) => pointAt(sampleAt(event)));
  const far = Math.max(1, Math.round(steps.length / 20));
  const moves = {
    ArrowRight: () => now + 1, ArrowUp: () => now + 1, ArrowLeft: () => now - 1, ArrowDown: () => now - 1,
    PageUp: () => now + far, PageDown: () => now - far, Home: () => 0, End: () => steps.length - 1,
  };
  frame.addEventListener("keydown", (event) => {
    if (!moves[event.key]) return;
    pointAt(moves[event.key]());
    event.preventDefault();
  });
  const all = (wanted) => () => {
    rows.forEach(({ box }, index) => { on[index] = box.checked = wanted; });
    draw();
  };
  byId("chart-all").addEventListener("click", all(true));
  byId("chart-none").addEventListener("click", all(false));
  log.addEventListener("change", draw);
  frame.setAttribute("aria-valuemax", steps[steps.length - 1] ?? 0);
  if (steps.length) {
    draw();
    let seen = frame.clientWidth;
    new ResizeObserver(() => {
      if (frame.clientWidth === seen) return;
      seen = frame.clientWidth;
      draw();
    }).observe(frame);
  }
}
