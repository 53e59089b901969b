// Tables that are sorted by a click on a heading (or Enter on it) and narrowed by what is typed.
const collator = new Intl.Collator("en", { numeric: true });

class TableView {
  // matches(row, test): whether a row stays, given the test of what is typed; row is {tr, index}.
  constructor(table, noun, matches) {
    this.table = table;
    this.noun = noun;
    this.matches = matches;
    this.input = byId(`${table.id}-filter`);
    this.count = byId(`${table.id}-count`);
    this.rows = [...table.tBodies[0].rows].map((tr, index) => ({ tr, index, keys: [] }));
    this.shown = this.rows;
    this.sorted = { column: -1, down: false };
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      const button = element("button", { type: "button", click: () => this.sortBy(column) });
      button.append(...cell.childNodes);
      cell.append(button);
      cell.setAttribute("aria-sort", "none");
    });
    this.input?.addEventListener("input", () => this.narrow());
    this.narrow();
  }

  // Ascending, descending, and as it was.
  sortBy(column) {
    const { sorted } = this;
    if (sorted.column !== column) this.sorted = { column, down: false };
    else this.sorted = sorted.down ? { column: -1, down: false } : { column, down: true };
    const direction = this.sorted.down ? -1 : 1;
    const by = this.sorted.column;
    const compare = (a, b) => {
      const [one, other] = [this.key(a, by), this.key(b, by)];
      // What has no value is last either way.
      if (one === null || other === null) return (one === null) - (other === null) || a.index - b.index;
      const order = isNumber(one) && isNumber(other) ? one - other : collator.compare(one, other);
      return direction * order || a.index - b.index;
    };
    const order = by < 0 ? this.rows : [...this.rows].sort(compare);
    this.table.tBodies[0].append(...order.map((row) => row.tr));
    [...this.table.tHead.rows[0].cells].forEach((cell, index) => {
      const how = index !== by ? "none" : this.sorted.down ? "descending" : "ascending";
      cell.setAttribute("aria-sort", how);
    });
  }

  key(row, column) {
    if (row.keys[column] === undefined) {
      const cell = row.tr.cells[column];
      const text = cell.textContent.trim();
      const missing = text === "" || text === "\u2013";
      row.keys[column] = missing ? null : cell.dataset.value ? Number(cell.dataset.value) : text;
    }
    return row.keys[column];
  }

  narrow() {
    const test = query(this.input?.value ?? "");
    this.shown = test ? this.rows.filter((row) => this.matches(row, test)) : [];
    const shown = new Set(this.shown);
    for (const row of this.rows) row.tr.hidden = !shown.has(row);
    this.input?.setAttribute("aria-invalid", String(!test));
    if (this.count) {
      const total = counted(this.rows.length, this.noun);
      this.count.textContent = !test ? "not a pattern"
        : this.shown.length === this.rows.length ? total : `${this.shown.length.toLocaleString("en")} of ${total}`;
    }
  }
}

// A row of a table that the page came with stays if its first cell or its whole text matches.
function rowMatcher(table) {
  const texts = [...table.tBodies[0].rows].map((tr) => [...tr.cells].map((cell) => cell.textContent.trim()));
  return (row, test) => test(texts[row.index][0], texts[row.index].join(" "));
}

for (const table of document.querySelectorAll("#tables table")) {
  // A tree has an order of its own.
  if (table.querySelector("thead .tree")) byId(`${table.id}-filter`).closest(".controls").remove();
  else new TableView(table, "row", rowMatcher(table));
}
