// Tables with sorting (click or Enter on a heading) and a filter.
const collator = new Intl.Collator("en", { numeric: true });
// Number of rows that a long table shows at first; more on scrolling or on request, all of them in print.
const PAGEFUL = 300;

class Row {
  // make() creates the <tr> on demand; keys are the sort keys: numbers, texts, or null for no value.
  constructor(index, make, keys) { Object.assign(this, { index, make, keys }); }
  get tr() { return (this.made ??= this.make()); }

  static of(tr, index) {
    const keys = [...tr.cells].map((cell) => {
      const text = cell.textContent.trim();
      if (text === "" || text === "\u2013") return null;
      return cell.dataset.value ? Number(cell.dataset.value) : text;
    });
    return new Row(index, () => tr, keys);
  }
}

class TableView {
  // matches(row, test): true if the row passes the filter's test.
  constructor(table, noun, matches, rows = [...table.tBodies[0].rows].map(Row.of)) {
    Object.assign(this, { table, noun, matches, rows, ordered: rows, shown: rows, limit: PAGEFUL });
    this.sorted = { column: -1, down: false };
    this.input = byId(`${table.id}-filter`);
    this.count = byId(`${table.id}-count`);
    for (const [column, cell] of [...table.tHead.rows[0].cells].entries()) {
      const button = element("button", { type: "button", click: () => this.sortBy(column) });
      button.append(...cell.childNodes);
      cell.append(button);
      cell.setAttribute("aria-sort", "none");
    }
    const rest = element("td", { colspan: table.tHead.rows[0].cells.length }, link("", () => this.extend(Infinity)));
    this.foot = element("tfoot", {}, element("tr", {}, rest));
    table.append(this.foot);
    table.parentElement.addEventListener("scroll", ({ target }) => {
      if (target.scrollHeight - target.scrollTop < 2 * target.clientHeight) this.extend(PAGEFUL);
    });
    window.addEventListener("beforeprint", () => this.extend(Infinity));
    this.input?.addEventListener("input", () => this.narrow());
    this.narrow();
  }

  // Ascending, descending, original order.
  sortBy(column) {
    const { sorted } = this;
    if (sorted.column !== column) this.sorted = { column, down: false };
    else this.sorted = sorted.down ? { column: -1, down: false } : { column, down: true };
    const by = this.sorted.column;
    const direction = this.sorted.down ? -1 : 1;
    const compare = (a, b) => {
      const [one, other] = [a.keys[by], b.keys[by]];
      // Rows without a value are last in both directions.
      if (one === null || other === null) return (one === null) - (other === null) || a.index - b.index;
      const order = isNumber(one) && isNumber(other) ? one - other : collator.compare(one, other);
      return direction * order || a.index - b.index;
    };
    this.ordered = by < 0 ? this.rows : [...this.rows].sort(compare);
    for (const [index, cell] of [...this.table.tHead.rows[0].cells].entries()) {
      const how = index !== by ? "none" : this.sorted.down ? "descending" : "ascending";
      cell.setAttribute("aria-sort", how);
    }
    this.narrow();
  }

  narrow() {
    const test = query(this.input?.value ?? "");
    this.shown = test ? this.ordered.filter((row) => this.matches(row, test)) : [];
    this.limit = PAGEFUL;
    this.table.tBodies[0].replaceChildren(...this.shown.slice(0, this.limit).map((row) => row.tr));
    this.tellRest();
    this.input?.setAttribute("aria-invalid", String(!test));
    if (this.count) {
      const total = counted(this.rows.length, this.noun);
      this.count.textContent = !test ? "not a pattern"
        : this.shown.length === this.rows.length ? total : `${this.shown.length.toLocaleString("en")} of ${total}`;
    }
  }

  extend(by) {
    const next = this.shown.slice(this.limit, this.limit + by);
    this.limit += next.length;
    this.table.tBodies[0].append(...next.map((row) => row.tr));
    if (next.length) this.tellRest();
  }

  tellRest() {
    const rest = this.shown.length - this.limit;
    this.foot.hidden = rest <= 0;
    this.foot.querySelector("button").textContent = `Show ${counted(Math.max(0, rest), `more ${this.noun}`)}`;
    this.table.setAttribute("aria-rowcount", this.shown.length + 1);
  }
}

// A row of a static table stays if its first cell or its whole text matches.
function rowMatcher(table) {
  const texts = [...table.tBodies[0].rows].map((tr) => [...tr.cells].map((cell) => cell.textContent.trim()));
  return (row, test) => test(texts[row.index][0], texts[row.index].join(" "));
}

for (const table of document.querySelectorAll("#tables table")) {
  // A tree keeps its order.
  if (!table.querySelector("thead .tree")) new TableView(table, "row", rowMatcher(table));
}
