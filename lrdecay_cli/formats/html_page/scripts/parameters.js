// The list of all names. A row is created when it is first shown.
{
  const table = byId("parameter-table");
  const groupSelect = byId("parameter-group");
  const kindSelect = byId("parameter-kind");
  const NOTHING = "\u2013";
  const cell = (kind, ...content) => element("td", { class: kind }, ...content);

  const make = (each) => {
    const { group } = each;
    const texts = group?.texts ?? { layer_id: NOTHING, lr_scale: NOTHING, lr: NOTHING, weight_decay: NOTHING };
    const chip = group ? [element("span", { class: `chip ${group.color}`, "aria-hidden": "true" })] : [];
    return element("tr", {},
      element("th", { scope: "row", class: "name" }, link(each.name, () => page.showParameter(each))),
      cell("text", each.first ? `duplicate of ${each.first}` : each.status),
      cell("name", group?.name ?? NOTHING),
      cell("integer", texts.layer_id),
      cell("scale", ...chip, element("span", { class: group?.over ? "above" : null }, texts.lr_scale)),
      cell("rate", texts.lr), cell("rate", texts.weight_decay), cell("text", each.shape),
      cell("integer", each.size.toLocaleString("en")));
  };
  const keys = (each) => {
    const { group } = each;
    const numbers = ["layer_id", "lr_scale", "lr", "weight_decay"].map((key) => (isNumber(group?.[key]) ? group[key] : null));
    return [each.name, each.status, group?.name ?? null, ...numbers, each.shape, each.size];
  };

  // Names that another part of the page requests, such as a finding.
  let chosen = null;
  const isKind = (each, kind) => !kind || (kind === "over" ? Boolean(each.group?.over) : kind === each.state);
  const matches = ({ index }, test) => {
    const each = PARAMETERS[index];
    return test(each.name, each.group?.name ?? "") && (!chosen || chosen.has(each.name))
      && (!groupSelect.value || each.group === GROUPS[groupSelect.value]) && isKind(each, kindSelect?.value);
  };
  const rows = PARAMETERS.map((each, index) => new Row(index, () => make(each), keys(each)));
  const view = new TableView(table, "name", matches, rows);
  const changed = () => chosenChanged(
    view.shown.length === view.rows.length ? null : new Set(view.shown.map(({ index }) => PARAMETERS[index])));
  const narrow = () => { view.narrow(); changed(); };
  view.input.addEventListener("input", changed);
  for (const select of [groupSelect, kindSelect]) select?.addEventListener("change", narrow);

  const everything = byId("parameter-everything");
  // Show one group, the matches of a pattern, or these names; without an argument, all.
  page.showList = ({ group = null, text = "", names = null, about = "" }) => {
    chosen = names && new Set(names);
    everything.hidden = !chosen;
    everything.textContent = `Only ${about} \u00D7`;
    everything.setAttribute("aria-label", `Only ${about}: show all names again`);
    view.input.value = text;
    groupSelect.value = group === null ? "" : String(group);
    if (kindSelect) kindSelect.value = "";
    narrow();
    byId("parameters").scrollIntoView();
    view.input.focus({ preventScroll: true });
  };
  everything.addEventListener("click", () => page.showList({}));
}
