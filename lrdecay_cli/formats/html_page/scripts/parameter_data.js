// The parameters of the map, one object each, in the model's order.
const GROUPS = DATA.parameters.groups;
const TYPES = new Map(DATA.parameters.types);
const PARAMETERS = DATA.parameters.names.map((name, index) => {
  const all = DATA.parameters;
  return {
    index,
    name,
    state: all.states[all.state[index]],
    // The state with its cause, if that is not the constructor.
    status: all.status[index] ?? all.states[all.state[index]],
    shape: all.shapes[index],
    size: all.sizes[index],
    group: all.group[index] < 0 ? null : GROUPS[all.group[index]],
    before: !all.before || all.before.group[index] < 0 ? null : all.before.groups[all.before.group[index]],
    first: all.first[index],
    why: all.why[index].map((number) => all.steps[number]),
  };
});
// Every tensor of the model once.
const TENSORS = PARAMETERS.filter((each) => each.state !== "duplicate");

// A description for the readout and for screen readers.
function describe(each) {
  const parts = [];
  if (each.status !== "grouped") parts.push(each.status === "missing" ? "missing: trainable, in no group" : each.status);
  if (each.group) {
    const { texts } = each.group;
    parts.push(`lr scale ${texts.lr_scale}${each.group.over ? ", above 1" : ""}`, `lr ${texts.lr}`);
    parts.push(`weight decay ${texts.weight_decay}`, `group ${each.group.name}`);
  } else if (each.state === "frozen") parts.push("in no group");
  const past = each.before?.texts;
  if (past && (past.lr !== each.group?.texts.lr || past.weight_decay !== each.group.texts.weight_decay)) {
    parts.push(`before: lr ${past.lr}, weight decay ${past.weight_decay}`);
  }
  return parts.join(", ");
}
