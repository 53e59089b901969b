// The details of a row of changes: names and complete numbers; beside it a picture of the changed lr.
if (byId("change-table")) {
  const table = byId("change-table");
  const { changes, patterns, raw_names: rawNames, names } = DATA.changes;
  const members = patterns.map((pattern) => {
    const whole = expression(pattern);
    return names.flatMap((_, index) => (whole.test(rawNames[index]) ? [index] : []));
  });
  const held = changes.map((change) => new Set(change.names));
  const ofRow = members.map((row) => changes.filter((_, number) => row.length && row.every((name) => held[number].has(name))));

  const factor = (change) => {
    if (!change.numbers || !change.numbers[0]) return "";
    const ratio = change.numbers[1] / change.numbers[0];
    return `${ratio > 1 ? "\u25B2" : ratio < 1 ? "\u25BC" : ""} \u00D7 ${Number(ratio.toPrecision(4))}`;
  };
  const show = (row) => {
    dialog.close();
    page.showList({ names: members[row].map((index) => names[index]), about: patterns[row] });
  };
  const open = (row) => {
    const rows = ofRow[row].map((change) => [change.aspect, change.before, change.after, factor(change)]);
    openDialog(table.tBodies[0].querySelector(`[data-row="${row}"] .link`).textContent,
      plainTable("What changed", ["what", "before", "after", "factor"], rows),
      element("h3", {}, counted(members[row].length, "parameter")),
      ...(page.showList ? [element("button", { type: "button", click: () => show(row) }, "Show in the picture and the list")] : []),
      element("ul", {}, ...members[row].map((index) => element("li", {}, element("code", {}, names[index])))));
  };

  const moved = ofRow.map((row) => row.find((change) => change.aspect === "lr" && change.numbers?.every((lr) => lr > 0)));
  const lrs = moved.flatMap((change) => change?.numbers ?? []);
  const [low, high] = [Math.min(...lrs), Math.max(...lrs)];
  const place = (lr) => 6 + (high > low ? (Math.log(lr / low) / Math.log(high / low)) * 108 : 54);
  const dumbbell = (change) => {
    const [before, after] = change.numbers.map(place);
    return drawn("svg", { class: "dumbbell", viewBox: "0 0 120 14", role: "img", "aria-label": `lr ${factor(change)}` },
      drawn("line", { x1: before, x2: after, y1: 7, y2: 7 }),
      drawn("circle", { class: "before", cx: before, cy: 7, r: 3.6 }),
      drawn("circle", { class: "after", cx: after, cy: 7, r: 4.4 }));
  };

  const matches = rowMatcher(table);
  if (lrs.length) table.tHead.rows[0].append(element("th", { scope: "col" }, "lr (log): \u25CB before, \u25CF after"));
  for (const tr of table.tBodies[0].rows) {
    const row = Number(tr.dataset.row);
    const name = tr.cells[0].querySelector(".text");
    if (members[row].length) name.replaceWith(link(name.textContent, () => open(row)));
    if (!lrs.length) continue;
    const change = moved[row];
    const cell = element("td", change ? { "data-value": change.numbers[1] / change.numbers[0] } : {}, change ? dumbbell(change) : "\u2013");
    tr.append(cell);
  }
  const test = (row, asked) => matches(row, asked) || members[row.index].some((index) => asked(names[index]));
  new TableView(table, "row", test);
}
