// The model's modules as a collapsible tree with the lr and weight decay of each subtree.
{
  const newNode = (label, path) => ({ label, path, children: new Map(), leaves: [], tensors: 0, size: 0, groups: new Set(), states: new Set() });
  const root = newNode("(model)", "");
  for (const each of TENSORS) {
    const labels = each.name.split(".");
    let node = root;
    for (let depth = 0; ; depth++) {
      node.tensors += 1;
      node.size += each.size;
      if (each.group) node.groups.add(each.group);
      node.states.add(each.state);
      if (depth === labels.length - 1) break;
      const label = labels[depth];
      if (!node.children.has(label)) node.children.set(label, newNode(label, labels.slice(0, depth + 1).join(".")));
      node = node.children.get(label);
    }
    node.leaves.push(each);
  }

  // One text if all values are equal, else the range.
  const rolled = (groups, key) => {
    const all = [...groups].filter((group) => isNumber(group[key])).sort((a, b) => a[key] - b[key]);
    if (!all.length) return "\u2013";
    const [low, high] = [all[0], all[all.length - 1]];
    return low[key] === high[key] ? low.texts[key] : `${low.texts[key]} \u2013 ${high.texts[key]}`;
  };
  const agrees = (node) => {
    const rates = new Set([...node.groups].map((group) => `${group.lr} ${group.lr_scale} ${group.weight_decay}`));
    const outside = [...node.states].filter((state) => state !== "grouped").length;
    return rates.size + outside <= 1 && !(rates.size && outside);
  };
  const chips = (groups) => {
    const colors = [...new Set([...groups].sort((a, b) => a.lr_scale - b.lr_scale).map((group) => group.color))];
    const svg = drawn("svg", { class: "chips", viewBox: `0 0 ${colors.length * 6 || 1} 10`, width: colors.length * 6, height: 10, "aria-hidden": "true" });
    colors.forEach((color, index) => svg.append(drawn("rect", { class: color, x: index * 6, width: 6, height: 10 })));
    return svg;
  };
  const numbers = (groups, states, tensors, size) => {
    const over = [...groups].some((group) => group.over);
    const outside = [...states].filter((state) => state !== "grouped").join(" and ");
    const texts = [groups.size ? rolled(groups, "lr_scale") : null, outside && states.size > 1 ? `partly ${outside}` : outside];
    const scale = element("span", { class: "number", "data-label": "lr scale" }, chips(groups),
      element("span", over ? { class: "above" } : {}, texts.filter(Boolean).join(", ")));
    return [scale,
      element("span", { class: "number", "data-label": "lr" }, rolled(groups, "lr")),
      element("span", { class: "number", "data-label": "weight decay" }, rolled(groups, "weight_decay")),
      element("span", { class: "number", "data-label": "tensors" }, tensors.toLocaleString("en")),
      element("span", { class: "number", "data-label": "parameters" }, size.toLocaleString("en"))];
  };

  const leaf = (each) => element("div", { class: "leaf" },
    element("span", { class: "label" }, link(each.name.slice(each.name.lastIndexOf(".") + 1), () => page.showParameter(each))),
    ...numbers(new Set(each.group ? [each.group] : []), new Set([each.state]), 1, each.size));

  // The contents are created when the node is first unfolded.
  const branch = (node) => {
    const type = TYPES.get(node.path);
    const label = element("span", { class: "label" }, node.label);
    if (type) label.append(element("span", { class: "type" }, type));
    const details = element("details", {},
      element("summary", {}, label, ...numbers(node.groups, node.states, node.tensors, node.size)));
    details.fillInside = () => {
      if (details.children.length > 1) return;
      details.append(element("div", {}, ...node.leaves.map(leaf), ...[...node.children.values()].map(branch)));
    };
    details.addEventListener("toggle", () => { if (details.open) details.fillInside(); });
    details.differs = !agrees(node);
    return details;
  };
  const top = branch(root);
  // Each number has a label for narrow screens and screen readers.
  const titles = ["module", "lr scale", "lr", "weight decay", "tensors", "parameters"];
  byId("tree").append(element("div", { class: "titles", "aria-hidden": "true" },
    ...titles.map((title, index) => element("span", index ? { class: "number" } : {}, title))), top);

  const unfold = (details, depth, wanted) => {
    if (!wanted(details, depth)) return;
    details.fillInside();
    details.open = true;
    for (const inner of details.lastElementChild.children) {
      if (inner.localName === "details") unfold(inner, depth + 1, wanted);
    }
  };
  const foldAll = () => { for (const details of byId("tree").querySelectorAll("details")) details.open = details === top; };
  byId("unfold").addEventListener("click", () => unfold(top, 0, (details) => details.differs));
  byId("fold").addEventListener("click", foldAll);
  unfold(top, 0, (details, depth) => depth < 1 || (depth < 2 && details.differs));
}
