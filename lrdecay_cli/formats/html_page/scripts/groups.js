// A group's name shows its parameters.
{
  const table = byId("group-table");
  const matches = rowMatcher(table);
  for (const tr of table.tBodies[0].rows) {
    const name = tr.cells[0].querySelector(".text");
    name.replaceWith(link(name.textContent, () => page.showList?.({ group: Number(tr.dataset.row) })));
  }
  const view = new TableView(table, "group", matches);
  if (GROUPS.some((group) => group.layer_id !== null)) view.sortBy(1);
}
