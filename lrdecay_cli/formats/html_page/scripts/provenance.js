// Why a parameter has its layer id, lr scale, lr and weight decay.
{
  const KEYS = ["layer_id", "lr_scale", "lr", "weight_decay"];
  const words = (key) => key.replace("_", " ");

  const verdict = (each) => {
    if (!each.why.length) {
      const text = "Observed only: read from the real optimizer. No rule of lrdecay's explains this constructor.";
      return element("p", { class: "verdict" }, text);
    }
    const differing = KEYS.filter((key, index) => each.why[index] && each.why[index][2] !== each.group[key]);
    const text = differing.length
      ? `The rules disagree with the real group in ${differing.map(words).join(", ")}; the numbers above are the real ones.`
      : "Recomputed by lrdecay's rules: same numbers as in the real group, bit for bit.";
    return element("p", { class: `verdict${differing.length ? " differs" : ""}` }, text);
  };

  const steps = (each) => plainTable("Provenance", ["what", "rule", "formula and result"],
    KEYS.map((key, index) => [key, each.why[index]]).filter(([, step]) => step).map(([key, [rule, formula, , result, inputs]]) => [
      words(key),
      element("div", {}, element("code", {}, rule), ...(inputs ? [element("div", { class: "formula" }, inputs)] : [])),
      element("div", {}, ...(formula === result ? [] : [element("code", {}, formula), element("br")]),
        element("code", {}, `= ${result}`)),
    ]));

  page.showParameter = (each) => {
    const facts = [["state", each.status === "missing" ? "missing: trainable, but in no group" : each.status]];
    facts.push(["shape", `${each.shape} (${each.size.toLocaleString("en")} parameters)`]);
    const type = TYPES.get(each.name.slice(0, Math.max(0, each.name.lastIndexOf("."))));
    if (type) facts.push(["module", type]);
    if (each.first) facts.push(["tensor of", each.first]);
    const content = [];
    if (each.group) {
      const showGroup = () => { dialog.close(); page.showList?.({ group: GROUPS.indexOf(each.group) }); };
      facts.push(["group", link(each.group.name, showGroup)]);
      for (const key of KEYS) facts.push([words(key), each.group.full[key]]);
      content.push(verdict(each), ...(each.why.length ? [steps(each)] : []));
      const options = [...each.group.options, ...DATA.parameters.common].join(", ");
      if (options) facts.push(["other options", options]);
    }
    const found = page.findingsOf(each);
    if (found.length) facts.push(["findings", element("span", {}, ...found.flatMap((one) => [one, " "]))]);
    openDialog(each.name, definitions(facts), ...content);
  };
}
