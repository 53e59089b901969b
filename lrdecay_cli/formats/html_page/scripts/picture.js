// Mouse and keyboard control of the picture, and its legend.
{
  const frame = byId("picture-frame");
  const readout = byId("picture-readout");
  // Two maps are compared by lr, not by lr scale: their base lrs may differ.
  const compared = Boolean(DATA.parameters.before);
  const scaled = !compared && GROUPS.some((group) => isNumber(group.lr_scale));
  const number = (value) => (isNumber(value) ? value : null);
  const bars = TENSORS.map((each) => ({
    value: number(scaled ? each.group?.lr_scale : each.group?.lr),
    before: compared ? number(each.before?.lr) : null,
    // Only for changed bars: a line on every bar would hide them.
    decayBefore: compared && each.before?.weight_decay !== each.group?.weight_decay ? number(each.before?.weight_decay) : null,
    color: each.group?.color ?? "r0",
    over: Boolean(each.group?.over),
    decay: number(each.group?.weight_decay),
    state: each.state,
    labels: each.name.split(".").slice(0, -1),
  }));
  let drawing = null;
  let now = 0;
  let chosen = null;

  const veil = () => {
    // Below the labels of the picture.
    const title = drawing.svg.querySelector(".title");
    for (const old of drawing.svg.querySelectorAll(".veil")) old.remove();
    if (!chosen) return;
    for (const [, from, to] of runs(TENSORS, (each) => (chosen.has(each) ? null : "out"))) {
      drawing.svg.insertBefore(drawn("rect", {
        class: "veil", x: drawing.left + from * drawing.step, y: LAYOUT.top, width: (to - from) * drawing.step,
        height: drawing.bottom - LAYOUT.top,
      }), title);
    }
  };
  const cursor = drawn("rect", { class: "cursor", y: LAYOUT.top - 2 });
  const pointAt = (index) => {
    now = Math.min(Math.max(index, 0), bars.length - 1);
    const each = TENSORS[now];
    const wide = Math.max(2, drawing.step);
    cursor.setAttribute("x", drawing.left + (now + 0.5) * drawing.step - wide / 2);
    cursor.setAttribute("width", wide);
    cursor.setAttribute("height", drawing.bottom - LAYOUT.top + 4);
    frame.setAttribute("aria-valuenow", now + 1);
    frame.setAttribute("aria-valuetext", `${each.name}: ${describe(each)}`);
    readout.replaceChildren(element("code", {}, each.name), element("br"), describe(each));
  };
  const draw = () => {
    const width = Math.max(260, Math.round(frame.clientWidth - 16));
    drawing = drawPicture(bars, width, scaled ? "lr scale" : "lr");
    drawing.svg.append(cursor);
    frame.replaceChildren(drawing.svg);
    veil();
    pointAt(now);
  };

  const indexAt = (event) => {
    const box = drawing.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * drawing.svg.viewBox.baseVal.width;
    return Math.floor((x - drawing.left) / drawing.step);
  };
  const isBar = (index) => index >= 0 && index < bars.length;
  frame.addEventListener("pointermove", (event) => { if (isBar(indexAt(event))) pointAt(indexAt(event)); });
  frame.addEventListener("click", (event) => {
    const index = indexAt(event);
    if (!isBar(index)) return;
    pointAt(index);
    page.showParameter(TENSORS[index]);
  });
  const sameModule = (index, step) => {
    const module = bars[now].labels.join(".");
    let next = index;
    while (isBar(next + step) && bars[next].labels.join(".") === module) next += step;
    return next;
  };
  const moves = {
    ArrowRight: () => now + 1, ArrowUp: () => now + 1, ArrowLeft: () => now - 1, ArrowDown: () => now - 1,
    PageUp: () => sameModule(now, 1), PageDown: () => sameModule(now, -1), Home: () => 0, End: () => bars.length - 1,
  };
  frame.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") page.showParameter(TENSORS[now]);
    else if (moves[event.key]) pointAt(moves[event.key]());
    else return;
    event.preventDefault();
  });

  const swatch = (shape, wide = 12) => drawn("svg", { viewBox: `0 0 ${wide} 12`, width: wide, height: 12, "aria-hidden": "true" }, ...shape);
  const patch = (attributes) => [drawn("rect", { width: 12, height: 12, ...attributes })];
  const ramp = Array.from({ length: 9 }, (_, index) => drawn("rect", { class: `r${index}`, x: index * 8, width: 8, height: 12 }));
  const many = (test) => bars.filter(test).length;
  const held = (state) => counted(many((bar) => bar.state === state), "tensor");
  const scales = GROUPS.map((group) => group.lr_scale).filter((value) => value > 0 && value <= 1);
  const lowest = GROUPS.find((group) => group.lr_scale === Math.min(...scales));
  const entries = [
    [compared, () => [swatch([drawn("line", { class: "past", x1: 0, x2: 16, y1: 6, y2: 6 })], 16), "before; the bars are after"]],
    [(scaled || compared) && lowest && lowest.lr_scale < 1, () => [swatch(ramp, 72), `lr scale ${lowest.texts.lr_scale} to 1`]],
    [many((bar) => bar.over), () => [swatch([...patch({ class: "over" }), ...patch({ fill: "url(#stripes)" })]),
      `above 1, faster than the base lr: ${counted(many((bar) => bar.over), "tensor")}`]],
    [many((bar) => bar.value === 0), () => [swatch(patch({ class: "no-decay" })), "lr 0"]],
    [many((bar) => bar.decay > 0), () => [swatch(patch({ class: "decay" })), "weight decay"]],
    [many((bar) => bar.decay === 0), () => [swatch(patch({ class: "no-decay", y: 7, height: 4 })), "no weight decay"]],
    [many((bar) => bar.state === "frozen"), () => [swatch([...patch({ fill: "url(#hatch)" }), ...patch({ class: "frame" })]), `frozen: ${held("frozen")}`]],
    [many((bar) => bar.state === "missing"), () => [swatch([...patch({ fill: "url(#cross)" }), ...patch({ class: "frame" })]), `missing, in no group: ${held("missing")}`]],
  ];
  byId("picture-legend").append(...entries.filter(([wanted]) => wanted).map(([, make]) => element("li", {}, ...make())));

  if (bars.length) {
    frame.setAttribute("aria-valuemax", bars.length);
    draw();
    page.listeners.push((narrowed) => { chosen = narrowed; veil(); });
    let seen = frame.clientWidth;
    new ResizeObserver(() => {
      if (frame.clientWidth === seen) return;
      seen = frame.clientWidth;
      draw();
    }).observe(frame);
  }
}
