// The list of all names: 2,000 rows are made in one go, so that the browser's own search and a printer see them.
{
  const table = byId("parameter-table");
  const groupSelect = byId("parameter-group");
  const kindSelect = byId("parameter-kind");
  const cell = (kind, text, value) => {
    const made = document.createElement("td");
    made.className = kind;
    made.textContent = text;
    if (isNumber(value)) made.dataset.value = value;
    return made;
  };

  const row = (each) => {
    const name = element("th", { scope: "row", class: "name" }, link(each.name, null));
    const { group } = each;
    const scale = cell("scale", "", group?.lr_scale);
    if (group) {
      const chip = drawn("svg", { class: "chip", viewBox: "0 0 10 10", width: "9", height: "9", "aria-hidden": "true" },
        drawn("rect", { class: group.color, width: "10", height: "10" }));
      scale.append(chip, element("span", { class: group.over ? "above" : "" }, ` ${group.texts.lr_scale}`));
    } else scale.textContent = "\u2013";
    const texts = group?.texts;
    const state = each.first ? `duplicate of ${each.first}` : each.state;
    return element("tr", {}, name, cell("text", state), cell("name", group?.name ?? "\u2013"),
      cell("integer", texts?.layer_id ?? "\u2013", group?.layer_id), scale, cell("rate", texts?.lr ?? "\u2013", group?.lr),
      cell("rate", texts?.weight_decay ?? "\u2013", group?.weight_decay), cell("text", each.shape),
      cell("integer", each.size.toLocaleString("en"), each.size));
  };

  table.tBodies[0].append(...PARAMETERS.map(row));
  table.addEventListener("click", (event) => {
    const opener = event.target.closest("tbody .link");
    if (opener) page.showParameter(PARAMETERS[view.rows.findIndex(({ tr }) => tr.contains(opener))]);
  });

  const isKind = (each, kind) =>
    !kind || (kind === "over" ? Boolean(each.group?.over) : kind === each.state) || chosen?.has(each.name);
  let chosen = null;
  const matches = ({ index }, test) => {
    const each = PARAMETERS[index];
    return test(each.name, each.group?.name ?? "")
      && (!groupSelect.value || each.group === GROUPS[groupSelect.value])
      && (!chosen || chosen.has(each.name)) && isKind(each, kindSelect?.value);
  };
  const view = new TableView(table, "name", matches);
  const changed = () => chosenChanged(
    view.shown.length === view.rows.length ? null : new Set(view.shown.map(({ index }) => PARAMETERS[index])));
  const narrow = () => { view.narrow(); changed(); };
  view.input.addEventListener("input", changed);
  for (const select of [groupSelect, kindSelect]) select?.addEventListener("change", narrow);

  // Show one group, or what matches a pattern.
  page.showList = ({ group = null, text = "" }) => {
    view.input.value = text;
    groupSelect.value = group === null ? "" : String(group);
    if (kindSelect) kindSelect.value = "";
    narrow();
    byId("parameters").scrollIntoView();
    view.input.focus({ preventScroll: true });
  };
  const asked = new URLSearchParams(location.hash.slice(1)).get("filter");
  if (asked) page.showList({ text: asked });
}
