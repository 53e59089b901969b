"""Explain the lr and weight decay of parameters by applying the constructor's rules to a group map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from lrdecay_cli.analysis.verification import differing_numbers
from lrdecay_cli.constructors import constructor_of
from lrdecay_cli.constructors.recomputation import rules_of, tensors_met
from lrdecay_cli.constructors.spec import ConstructorRules
from lrdecay_cli.decay.batch_scaling import scaling_trace
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.domain.explanation import Certainty, Explanation, Numbers, RuleTrace
from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup, Tensor
from lrdecay_cli.domain.provenance import Provenance
from lrdecay_cli.text.name_patterns import Universe

EXACT = "same numbers as in the real group, bit for bit"
# What an optimizer does with groups of different lrs, by its use of the lr; and with a group at lr 0.
_LRS = {
    "distorted": "does not move groups in proportion to their lrs (LRD802)",
    "first group's": "trains every group at the first group's lr (LRD802)",
    "ignored": "does not use the lr (LRD802)",
    "refused": "refuses these groups (LRD801)",
}
_AT_ZERO = {
    "trains": "trains this group although its lr is 0 (LRD804)",
    "decays": "applies weight decay to this group although its lr is 0 (LRD804)",
}


class Explainer:
    """Explains why parameters of a group map have their lr and weight decay, or are in no group.

    The explanations use the rules of the constructor that built the groups.
    """

    def __init__(self, group_map: GroupMap) -> None:
        self._map = group_map
        self._spec = constructor_of(group_map)
        self._universe = Universe(group_map.names(duplicates=True))
        self._rules: ConstructorRules | None = None
        self._refusal = ""
        try:
            self._rules = rules_of(group_map, tensors_met(group_map))
        except DecayError as error:
            self._refusal = f"lrdecay's rules do not apply: {error}"

    def explain(self, chosen: Sequence[Tensor], *, folded: bool = True) -> list[Explanation]:
        """Return one explanation per tensor, in order. With ``folded``, tensors with the same explanation share one."""
        alike: dict[object, list[tuple[Tensor, Explanation]]] = {}
        for index, tensor in enumerate(chosen):
            item = self._one(tensor)
            key: object = index
            if folded:
                # Everything except names and groups, as bytes: dicts of inputs are not hashable.
                shared = msgspec.json.encode(msgspec.structs.replace(item, parameters=(), groups=()))
                # Named groups stay separate; numbered groups are folded.
                key = shared, tensor.group.name if tensor.group and tensor.group.named else None
            alike.setdefault(key, []).append((tensor, item))
        return [self._together(members) for members in alike.values()]

    def patterns(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return patterns that match exactly these parameters of the map."""
        return tuple(pattern for pattern, _ in self._universe.fold(names))

    def _one(self, tensor: Tensor) -> Explanation:
        group, provenance = tensor.group, tensor.provenance
        remarks: tuple[str, ...] = ()
        if self._rules is not None and tensor.seen and provenance is not None:
            remarks = self._rules.remarks(tensor, provenance)
        certainty, reason = self._certainty(group, provenance)
        return Explanation(
            patterns=(),
            parameters=(tensor.name,),
            state=tensor.label,
            groups=(group.name,) if group else (),
            considered=tuple(self._considered(tensor)),
            provenance=provenance,
            numbers=Numbers(group.layer_id, group.lr_scale, group.lr, group.weight_decay) if group else None,
            remarks=remarks,
            certainty=certainty,
            certainty_reason=reason,
        )

    def _considered(self, tensor: Tensor) -> Iterator[RuleTrace]:
        rules = self._rules
        if tensor.state == "duplicate":
            skipped = rules is not None and self._map.constructor.options.get("bypass_duplicate")
            fate = (
                "; with bypass_duplicate=True, the constructor skips its other names"
                if skipped
                else ", and that name determines the group"
            )
            yield _state("another name of the same tensor", f"the tensor's first name is {tensor.of}{fate}")
        elif tensor.state == "frozen" and tensor.by_train:
            yield _state("train()", "train() freezes the parameter, and no group contains it")
        elif tensor.state == "frozen":
            skips = f"{self._spec.name} skips frozen parameters" if rules else "no group contains this frozen parameter"
            yield _state("requires_grad=False", skips)
        elif tensor.state == "missing":
            yield _state("missing", self._why_missing(tensor))
        else:
            if tensor.state == "frozen_in_group" and tensor.by_train:
                yield _state(
                    "train()",
                    "the parameter is in a group but never updated, because train() freezes it after the optimizer is"
                    " built",
                )
            elif tensor.state == "frozen_in_group":
                yield _state(
                    "requires_grad=False", "the frozen parameter is in a group, but the optimizer does not update it"
                )
            elif tensor.by_train:
                yield _state(
                    "train()",
                    "train() unfreezes the parameter after the optimizer is built, so the optimizer updates it",
                )
            if rules is not None and tensor.seen:
                # A name that no rule covers: another constructor has the same class name.
                with suppress(DecayError):
                    yield from rules.considered(tensor, tensor.provenance)
            if self._map.batch and self._map.batch.lr_factor is not None:
                yield scaling_trace(self._map.batch)

    def _why_missing(self, tensor: Tensor) -> str:
        if tensor.averaged:
            return "a moving average of another module, which needs no optimizer"
        if tensor.by_train and tensor.trainable:
            return (
                "the parameter is in no group and never updated, because train() unfreezes it after the optimizer is"
                " built"
            )
        if self._map.is_wrapped and not tensor.name.startswith("module."):
            return (
                "the tensor is outside model.module, the only module that the constructor reads, so it is never updated"
            )
        return "the parameter is trainable, but the constructor puts it into no group, so it is never updated"

    def _certainty(self, group: ParameterGroup | None, provenance: Provenance | None) -> tuple[Certainty, str]:
        if group is None:
            return "observed", "read from the model and its real optimizer"
        differing = [
            f"{what} is {real}, but lrdecay's rules give {ours}"
            for what, real, ours in differing_numbers(group, provenance)
        ]
        if differing:
            return "disagrees", f"in the real group {'; '.join(differing)}"
        if provenance is None:
            return "observed", self._why_observed()
        exact = f"{EXACT}, in {precision}" if (precision := group.precision("lr")) else EXACT
        if provenance.layer_id is not None and provenance.layer_id.basis == "observed":
            exact += "; the layer id comes from the model's get_layer_depth()"
        elif self._spec.make_rules is None:
            exact += "; lrdecay recorded the formula while the constructor ran"
        return "recomputed", "; ".join([exact, *self._optimizer_remarks(group)])

    def _optimizer_remarks(self, group: ParameterGroup) -> Iterator[str]:
        """Yield a sentence for each way in which the optimizer ignores or changes the group's lr or weight decay."""
        effects = self._map.optimizer.effects.get(group.optimizer)
        if effects is None:
            return
        own = [each for each in self._map.groups if each.optimizer == group.optimizer]
        several = len({each.lr for each in own}) > 1
        if group.lr == 0 and (effects.at_zero == "trains" or (effects.at_zero == "decays" and group.weight_decay)):
            yield f"{effects.name} {_AT_ZERO[effects.at_zero]}"
        elif effects.lr in _LRS and (several or effects.lr == "ignored"):
            yield f"{effects.name} {_LRS[effects.lr]}"
        if effects.norm == "always" or (effects.norm == "with weight decay" and group.weight_decay):
            yield f"{effects.name} scales each step by the norm of the weights"
        if group.weight_decay and effects.decay == "ignored":
            yield f"{effects.name} ignores the weight decay"
        elif effects.decay == "first group's" and own[0].weight_decay != group.weight_decay:
            yield f"{effects.name} uses the weight decay of the first group, {own[0].weight_decay!r}, in every group"

    def _why_observed(self) -> str:
        if self._map.checkpoint is not None:
            return "read from a checkpoint, saved after schedulers changed the lrs of the constructor"
        if self._refusal:
            return self._refusal
        if self._map.live:
            return "a program built the groups without a constructor that lrdecay knows"
        if self._spec.make_rules is None:
            return f"lrdecay does not know the rules of {self._spec.name}"
        return "lrdecay's rules give no numbers for this group"

    def _together(self, members: Sequence[tuple[Tensor, Explanation]]) -> Explanation:
        names = tuple(dict.fromkeys(tensor.name for tensor, _ in members))
        groups = dict.fromkeys(name for _, item in members for name in item.groups)
        return msgspec.structs.replace(
            members[0][1], patterns=self.patterns(names), parameters=names, groups=tuple(groups)
        )


def _state(rule: str, reason: str) -> RuleTrace:
    return RuleTrace(("state",), rule, "applies", reason, basis="state")
