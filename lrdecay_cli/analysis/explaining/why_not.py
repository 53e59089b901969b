"""Find the reason why parameters are not in a group: their first difference from the members of the group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

import msgspec

from lrdecay_cli.analysis.explaining.reasons import Explainer
from lrdecay_cli.analysis.explaining.tables import PART_NAMES, outcome_text, step_text
from lrdecay_cli.analysis.selection import name_matches, suggest_module
from lrdecay_cli.constructors import OURS, ConstructorSpec, constructor_of, rate_given
from lrdecay_cli.decay.model_rules import BackboneClasses, plan_of_model
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.decay.rules import TrainingParameter
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.explanation import Divergence, Explanation, Part, RuleTrace, WhyNot
from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup, Tensor
from lrdecay_cli.domain.provenance import NUMBERS, Formula
from lrdecay_cli.text.counting import either, span
from lrdecay_cli.text.spelling import did_you_mean

_MOST_LISTED = 12
"""Maximum number of groups that an error message lists."""
# A tensor that is in two groups is searched under its own name.
_OUTSIDE = {
    "frozen": "require a gradient: requires_grad=True",
    "duplicate": "not be another name of a shared tensor, because only the tensor's first name is in a group",
    "missing": "be among the parameters that the constructor gets",
}


def why_not(group_map: GroupMap, explainer: Explainer, chosen: Sequence[Tensor], name: str) -> list[WhyNot]:
    """Compare each tensor outside a group with the group's most similar members.

    A module may be in several groups, for example in one with weight decay and one without. Each tensor is then
    compared with the most similar of these groups.

    Args:
        group_map: the map with the tensors.
        explainer: explains tensors of this map.
        chosen: the tensors that the user expected in the group.
        name: the group, or a parameter or module in it.

    Raises:
        LrdecayError: the group does not exist or is empty, or all chosen tensors are already in the group.
    """
    groups = _groups(group_map, name)
    held = {group.name: [tensor for tensor in group_map.memberships() if tensor.group is group] for group in groups}
    inside = {tensor.name for tensors in held.values() for tensor in tensors}
    others = [tensor for tensor in chosen if tensor.name not in inside]
    if not others:
        raise LrdecayError(
            f"all parameters that match the pattern are already in {groups[0].name if len(groups) == 1 else name}",
            where="--why-not",
            fix="give the pattern without --why-not and --group to explain the parameters",
        )
    members = {group_name: explainer.explain(tensors) for group_name, tensors in held.items()}
    if not any(members.values()):
        raise LrdecayError(f"the group {name} is empty, so there is nothing to compare with", where="--group")
    spec = constructor_of(group_map)
    ours = _scales_of_ours(group_map, spec)
    alike: dict[bytes, list[WhyNot]] = {}
    for explanation in explainer.explain(others):
        advice = _advice(explanation, spec, ours)
        compared = [_against(explanation, members[group.name], group, advice) for group in groups if held[group.name]]
        item = min(compared, key=lambda each: len(each.partings))
        shared = (item.not_in, item.nearest, item.partings, item.verdict)
        alike.setdefault(msgspec.json.encode(shared), []).append(item)
    together = []
    for several in alike.values():
        names = tuple(dict.fromkeys(parameter for item in several for parameter in item.parameters))
        found = tuple(dict.fromkeys(group for item in several for group in item.groups))
        patterns = explainer.patterns(names)
        together.append(msgspec.structs.replace(several[0], patterns=patterns, parameters=names, groups=found))
    return together


def _groups(group_map: GroupMap, name: str) -> list[ParameterGroup]:
    """Return the group with this name, or the groups of the parameter or module with this name."""
    for group in group_map.groups:
        if group.name == name:
            return [group]
    tensors = [tensor for tensor in group_map.memberships() if name_matches(tensor.name, name)]
    holding = {tensor.group.name: tensor.group for tensor in tensors if tensor.group is not None}
    if holding:
        return list(holding.values())
    if tensors:
        raise LrdecayError(f"{name!r} is in no group", where="--group")
    names = [group.name for group in group_map.groups]
    modules = suggest_module(name, (tensor.name for tensor in group_map.memberships()))
    fix = did_you_mean(name, names) or modules or (_one_of(names) if names else "the map has no groups")
    raise LrdecayError(f"no group, parameter or module {name!r}", where="--group", fix=fix)


def _one_of(groups: Sequence[str]) -> str:
    if len(groups) > _MOST_LISTED:
        return f"give one of {groups[0]} … {groups[-1]}; lrdecay inspect lists them"
    return f"give {either(groups)}"


def _against(here: Explanation, members: Sequence[Explanation], group: ParameterGroup, advice: str) -> WhyNot:
    """Compare parameters with the most similar member of a group.

    This is the member with the fewest differences in layer id, lr scale, lr and weight decay. Of several such members,
    the member with the most similar name is chosen.

    Args:
        here: the explanation of the parameters.
        members: the explanations of the group's members.
        group: the group in which the parameters are expected.
        advice: a text about ways to change the layer id; may be empty.
    """
    compared = [(tuple(_partings(here, member, members, group)), member) for member in members]
    partings, nearest = min(compared, key=lambda pair: (len(pair[0]), -_common(here, pair[1])))
    if advice:
        partings = tuple(
            msgspec.structs.replace(each, needed=f"{each.needed}; {advice}") if each.about == "layer_id" else each
            for each in partings
        )
    return WhyNot(
        patterns=here.patterns,
        parameters=here.parameters,
        groups=here.groups,
        not_in=group.name,
        nearest=nearest.patterns,
        partings=partings,
        verdict=_verdict(here, partings, group),
    )


def _common(item: Explanation, other: Explanation) -> int:
    pairs = zip(item.parameters[0], other.parameters[0], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _verdict(here: Explanation, partings: Sequence[Divergence], group: ParameterGroup) -> str:
    if partings:
        return f"first difference: {PART_NAMES[partings[0].about]}; {partings[0].needed}"
    if not group.named:
        return "the lr and weight decay are the same, but the constructor creates one group for each tensor"
    return "layer id, lr and weight decay are the same, by the same rules: lrdecay knows no reason for separate groups"


def _partings(
    here: Explanation, there: Explanation, members: Sequence[Explanation], group: ParameterGroup
) -> Iterator[Divergence]:
    if here.numbers is None or there.numbers is None:
        fate = here.considered[0]
        yield Divergence(
            "state", "in the group", f"{fate.rule}: {fate.reason}", f"the parameter must {_OUTSIDE[here.state]}"
        )
        return
    differing = [part for part in NUMBERS if getattr(here.numbers, part) != getattr(there.numbers, part)]
    if "layer_id" in differing:
        # The lr follows from the lr scale.
        differing = [part for part in differing if part not in ("lr_scale", "lr")]
    if "lr" in differing and "lr_scale" in differing:
        # lr scale is lr over base lr; compare the scale first if the constructor has one.
        differing.remove("lr_scale" if _step(here, "lr_scale") is None else "lr")
    if not differing and group.named:
        rules = [
            {part: item.rule for item in side.considered if item.outcome == "applies" for part in item.about}
            for side in (here, there)
        ]
        differing = [part for part in NUMBERS if rules[0].get(part) != rules[1].get(part)]
    for part in differing:
        yield _of_number(part, here, there, members)


def _of_number(part: Part, here: Explanation, there: Explanation, members: Sequence[Explanation]) -> Divergence:
    theirs, ours = _decider(there, part), _decider(here, part)
    decision = _describe(here, part)
    met = _outcome_here(here, theirs)
    if met is not None and met is not ours:
        decision = f"{met.rule}: {outcome_text(met)}; instead {decision}"
    needed = _other_number(part, here, members) or _needed(there, here, theirs, ours)
    return Divergence(part, _describe(there, part), decision, needed)


def _other_number(part: Part, here: Explanation, members: Sequence[Explanation]) -> str | None:
    """Return which input of the formula must have another value, for example ``block must be 24 or 25, not 3``.

    Returns None if the group's members use another formula, or the same inputs.
    """
    ours = _step(here, part)
    if ours is None:
        return None
    alike = [step.inputs for step in (_step(member, part) for member in members) if step and step.rule == ours.rule]
    for name, value in ours.inputs.items():
        others = sorted({inputs[name] for inputs in alike})
        if others and value not in others:
            return f"{name} must be {either(map(repr, others))}, not {value!r}"
    return None


def _needed(there: Explanation, here: Explanation, theirs: RuleTrace | None, ours: RuleTrace | None) -> str:
    """Return what must change so that the constructor applies the same rule to the parameter as to the group's members.

    Example: ``the parameter's name would have to be like backbone.norm3``.
    """
    if here.provenance is None or there.provenance is None:
        return "unknown, because lrdecay does not know the formulas for the lr and weight decay"
    met = _outcome_here(here, theirs)
    in_the_way = ours is not None and (theirs is None or (met is not None and met.outcome in ("overridden", "skipped")))
    if ours is not None and in_the_way:
        # Only an option of the config can be removed.
        is_set = ours.basis in ("custom_key", "option")
        removable = f"; or remove {ours.rule} from the config, so that the next matching rule decides" if is_set else ""
        return f"the parameter must not {ours.premise or ours.condition}{removable}"
    if theirs is None or (ours is not None and ours.rule == theirs.rule):
        return f"the parameter's name would have to be like {', '.join(there.patterns)}"
    if theirs.basis == "name":
        # Nobody can rename a parameter: a reason, not advice.
        return f"the parameter's name would have to be like {theirs.cause}"
    return f"the parameter must {theirs.condition}"


def _advice(here: Explanation, spec: ConstructorSpec, ours: Mapping[str, float]) -> str:
    """Return advice for parameters whose names the constructor does not know; an empty string for other parameters.

    Args:
        here: the explanation of the parameters.
        spec: the constructor.
        ours: the lr scale that lrdecay's constructor would give to each parameter, by name.
    """
    step = _step(here, "layer_id")
    if step is None or step.basis != "fallback" or not spec.rest_is_head:
        return ""
    why = f"no option changes the layer id: {spec.label} gives the head's layer id to every name that it does not know"
    scales = [ours.get(name, 1) for name in here.parameters]
    if any(scale >= 1 for scale in scales):
        return why
    return f"{why}; with the same decay rate, {OURS.label} gives lr scale {span(scales)}"


def _scales_of_ours(group_map: GroupMap, spec: ConstructorSpec) -> dict[str, float]:
    """Return a dict from each parameter name to the lr scale by lrdecay's constructor at the same decay rate.

    The dict is empty if lrdecay's constructor needs more options.
    """
    options, backbone = group_map.constructor.options, group_map.model.backbone
    if not spec.rest_is_head or backbone is None:
        return {}
    given = {"decay_rate": rate_given(options), "decay_type": options.get("decay_type", "layer_wise")}
    tensors = [TrainingParameter(tensor.name, tensor.shape) for tensor in group_map.tensors()]
    try:
        plan = plan_of_model(
            tensors, given, lambda _: BackboneClasses((backbone,)), base_lr=1.0, base_weight_decay=None
        )
    except DecayError:
        return {}
    return {parameter.name: group.lr_scale for group in plan.groups for parameter in group.parameters}


def _outcome_here(here: Explanation, theirs: RuleTrace | None) -> RuleTrace | None:
    """Return what the rule ``theirs`` does for the parameter that ``here`` explains.

    ``theirs`` is the rule that sets, for example, the lr in the group that the user asked about. Return None without
    such a rule, or if the constructor does not try the rule for the parameter.
    """
    return next((item for item in here.considered if theirs is not None and item.rule == theirs.rule), None)


def _decider(explanation: Explanation, part: Part) -> RuleTrace | None:
    applying = [item for item in explanation.considered if item.outcome == "applies" and part in item.about]
    return applying[-1] if applying else None


def _step(explanation: Explanation, part: Part) -> Formula | None:
    step: Formula | None = getattr(explanation.provenance, part, None)
    return step


def _describe(explanation: Explanation, part: Part) -> str:
    step = _step(explanation, part)
    return repr(getattr(explanation.numbers, part)) if step is None else f"{step.rule}: {step_text(step)}"
