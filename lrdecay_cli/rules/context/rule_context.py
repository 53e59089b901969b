"""The argument of every rule: a group map, and values computed from the map for several rules."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

from lrdecay_cli.constructors import ConstructorSpec, constructor_of
from lrdecay_cli.constructors.multipliers import Multiplier
from lrdecay_cli.constructors.recomputation import KeyMatches, custom_key_matches
from lrdecay_cli.decay.families import Family, find_family
from lrdecay_cli.decay.options import DecayError, number_or_none
from lrdecay_cli.decay.parameter_kinds import Kind, kind_of
from lrdecay_cli.domain.dry_run import DryRun
from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup, Tensor
from lrdecay_cli.domain.precision import alike
from lrdecay_cli.rules.context.backbone import Backbone, backbone_prefix, block_of
from lrdecay_cli.rules.context.optimizers import MeasuredOptimizer, measured_optimizers
from lrdecay_cli.rules.context.policy import Policy
from lrdecay_cli.rules.context.schedulers import Scheduler, all_schedulers_of
from lrdecay_cli.text.counting import integers
from lrdecay_cli.text.name_patterns import Universe

PARAMWISE = "optim_wrapper.paramwise_cfg"
"""Path of the constructor's options in a config."""


class RuleContext:
    """A group map, and values computed from the map for several rules. Needs no torch.

    Args:
        group_map: the built groups.
        policy: the project's baseline, assertions and suppressions for the config.
        place: the file to which findings refer, for example the settings file; None for the map's config.
        dry_run: result of a dry run of the config's training; None without one.
    """

    def __init__(
        self,
        group_map: GroupMap,
        policy: Policy | None = None,
        *,
        place: str | None = None,
        dry_run: DryRun | None = None,
    ) -> None:
        self.group_map = group_map
        self.policy = policy or Policy()
        self.dry_run = dry_run
        self.place = place or group_map.config.path

    @property
    def constructor(self) -> str:
        """Class name of the constructor, without its registry scope."""
        return self.group_map.constructor.type.rpartition(".")[2]

    @property
    def constructor_label(self) -> str:
        """The constructor's name for messages.

        A checkpoint may lack the name, and a running optimizer has no constructor. A general description then replaces
        the name.
        """
        if self.group_map.live:
            return "the code that builds the optimizer"
        return "the constructor" if self.constructor == "unknown" else self.constructor

    def starting_lr(self, group: ParameterGroup) -> float | None:
        """Return the initial lr of a group.

        In a checkpoint, the schedule has changed the lr, so the initial lr is ``lr_scale`` × base lr.
        """
        if self.group_map.checkpoint is None:
            return group.lr
        base, scale = self.starting_base_lr, group.lr_scale
        return None if base is None or scale is None else scale * base

    @property
    def starting_base_lr(self) -> float | None:
        """The initial lr of a group with lr scale 1: the config's lr × the factor of ``auto_scale_lr``."""
        base = self.group_map.base_lr
        return None if base is None else base * self.group_map.lr_factor

    def starting_scale(self, group: ParameterGroup) -> float | None:
        """Return a group's initial lr ÷ base lr.

        A recorded ``lr_scale`` that differs from this ratio is ignored, because the optimizer uses the lr.
        """
        lr, base = self.starting_lr(group), self.starting_base_lr
        if lr is None or not base or not math.isfinite(lr) or not math.isfinite(base):
            return group.lr_scale
        # lr / base_lr may differ in the last digit of the precision that the optimizer uses.
        agree = group.lr_scale is not None and alike(lr / base, group.lr_scale, group.precision("lr"))
        return group.lr_scale if agree else lr / base

    @property
    def options(self) -> Mapping[str, Any]:
        """The constructor's ``paramwise_cfg``."""
        return self.group_map.constructor.options

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        """Every parameter by its name, in the model's order. Includes frozen parameters and parameters in no group.

        A shared parameter has several names in the model; only the first name is a key here.
        """
        ordered = sorted(self.group_map.tensors(), key=lambda tensor: tensor.position)
        return {tensor.name: tensor for tensor in ordered if tensor.state != "duplicate"}

    @cached_property
    def trained(self) -> tuple[str, ...]:
        """Names of trainable parameters, the only parameters on which custom keys have an effect."""
        return tuple(name for name, tensor in self.tensors.items() if tensor.trainable)

    @cached_property
    def _positions(self) -> Mapping[str, int]:
        return {name: position for position, name in enumerate(self.group_map.registered)}

    def in_model_order(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return each name once, in the model's order. Names that are not in the model come last."""
        return tuple(sorted(dict.fromkeys(names), key=lambda name: self._positions.get(name, len(self._positions))))

    @cached_property
    def universe(self) -> Universe:
        """All parameter names of the model, needed to shorten a list of names to patterns that match no other name."""
        return Universe([*self.tensors, *(t.name for t in self.group_map.tensors() if t.state == "duplicate")])

    @cached_property
    def spec(self) -> ConstructorSpec:
        """Everything that lrdecay knows about the constructor."""
        return constructor_of(self.group_map)

    @cached_property
    def decay_option(self) -> str | None:
        """Key of the layer decay rate in ``paramwise_cfg``, for example ``decay_rate``; None if it is not set."""
        option = self.spec.rate_option
        return option if option in self.options else None

    @property
    def without_options(self) -> bool:
        """True if ``paramwise_cfg`` is empty, and the layer-decay constructor has no default decay rate.

        All layers then train at the base lr, and all parameters have weight decay.
        """
        return self.spec.is_switched_off(self.options)

    @cached_property
    def decay_rate(self) -> float | None:
        """The layer decay rate in the config: the factor between the lrs of neighbouring layers; None if not set."""
        rate = number_or_none(self.options.get(self.decay_option) if self.decay_option else None)
        return None if rate is None else float(rate)

    @cached_property
    def observed_rate(self) -> float | None:
        """The factor between the lrs of neighbouring layer ids, computed from the groups; None if it varies.

        Used for a constructor whose options lrdecay does not know.
        """
        pairs = [(tensor.group.layer_id, tensor.scale) for tensor in (*self.backbone.tensors, *self.backbone.others)]
        scales = {layer: scale for layer, scale in pairs if layer is not None and scale > 0}
        steps = [(scales[below] / scales[above]) ** (1 / (above - below)) for below, above in pairwise(sorted(scales))]
        same = len(steps) > 1 and all(math.isclose(step, steps[0], rel_tol=1e-6) for step in steps)
        return steps[0] if same else None

    @cached_property
    def num_layers(self) -> int | None:
        """The value of ``num_layers``; None if it is not set, or if the constructor has no such option."""
        given = self.options.get("num_layers")
        return given if self.spec.num_layers and isinstance(given, int) else None

    @cached_property
    def head_id(self) -> int | None:
        """Layer id of most parameters outside the backbone; None if groups have no layer ids."""
        if self.group_map.live and not self.backbone.tensors:
            # Without a module named backbone, the highest layer id is the head's.
            return max((group.layer_id for group in self.group_map.groups if group.layer_id is not None), default=None)
        ids = Counter(tensor.group.layer_id for tensor in self.backbone.others if tensor.group.layer_id is not None)
        has_ids = any(group.layer_id is not None for group in self.group_map.groups)
        usual = self.num_layers + 1 if self.num_layers is not None and has_ids else None
        return ids.most_common(1)[0][0] if ids else usual

    @property
    def head_id_label(self) -> str:
        """The head's layer id as text: ``num_layers + 1 = 7`` if the id is this sum, else ``7``."""
        is_sum = self.num_layers is not None and self.head_id == self.num_layers + 1
        return f"{'num_layers + 1 = ' if is_sum else ''}{self.head_id}"

    def custom_lr_mult(self, parameter: str) -> tuple[str, float] | None:
        """Return two values: the custom key that applies to a parameter, and the key's ``lr_mult``.

        The longest matching key applies. Return None if no key matches, or if the key sets no ``lr_mult``.
        """
        keys = self.options.get("custom_keys")
        if not isinstance(keys, Mapping) or not self.spec.keys_set_lr:
            return None
        key = next((key for key in sorted(sorted(keys), key=len, reverse=True) if key in parameter), None)
        given = keys[key].get("lr_mult") if key is not None and isinstance(keys[key], Mapping) else None
        return (key, float(given)) if key is not None and isinstance(given, (int, float)) else None

    @cached_property
    def backbone(self) -> Backbone:
        """The backbone's trainable parameters in order of depth, with their lr scales."""
        return Backbone(self.group_map, self.prefix, self.starting_scale, self._positions)

    @cached_property
    def whole_model(self) -> Backbone:
        """All trainable parameters as if the model were one backbone, with the lr of each instead of its lr scale.

        For a running optimizer whose model has no module named ``backbone``.
        """
        return Backbone(self.group_map, "", self.starting_lr, self._positions)

    @cached_property
    def decay_reaches_no_block(self) -> bool:
        """True if a layer-decay constructor leaves every backbone block at the head's lr."""
        if not self.spec.decays_layers or self.decay_rate in (None, 1):
            return False
        blocks = [tensor for row in self.backbone.blocks.values() for tensor in row] or self.backbone.tensors
        return bool(blocks) and all(map(self.backbone.at_head, blocks))

    @cached_property
    def frozen_blocks(self) -> frozenset[tuple[int, ...]]:
        """Indices of the backbone's blocks with at least one frozen parameter."""
        frozen = (name for name, tensor in self.tensors.items() if not tensor.trainable)
        found = (block_of(name.removeprefix(self.prefix)) for name in frozen if name.startswith(self.prefix))
        return frozenset(block.place for block in found if block and block.series == self.backbone.main_series)

    @cached_property
    def prefix(self) -> str:
        """Prefix of the backbone's parameter names: ``backbone.``, or ``student.backbone.`` in a larger model.

        If no module is called ``backbone``, the prefix is a similar name such as ``img_backbone.``. If there are
        several backbones, it is the prefix of the first trained one.
        """
        return backbone_prefix(name for name, tensor in self.tensors.items() if tensor.trainable)

    @cached_property
    def family(self) -> Family | None:
        """lrdecay's description of the backbone's family; None if lrdecay does not know the backbone."""
        backbone = self.group_map.model.backbone
        return find_family(backbone) if backbone else None

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Number of blocks in each stage of the backbone, derived from the parameter names; ``()`` if unknown."""
        return self.family.depths(self.tensors, self.prefix) if self.family else ()

    @property
    def depths_in_words(self) -> str:
        """Number of blocks in each stage of the backbone as text, for example ``3,3,27,3``."""
        return ",".join(map(str, self.depths))

    @cached_property
    def fitting_num_layers(self) -> int | None:
        """The ``num_layers`` that fits the number of blocks in the backbone's stages; None if unknown."""
        family, depths = self.family, self.depths
        if not family or not depths or len(depths) != (family.stages or len(depths)):
            return None
        return family.fitting("stage_wise" if self.options.get("decay_type") == "stage_wise" else "layer_wise", depths)

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """For each parameter that is usually exempt from weight decay, its kind: norm, bias, token, …"""
        kinds = {name: kind_of(name, t.module, t.shape) for name, t in self.tensors.items() if t.module}
        return {name: kind for name, kind in kinds.items() if kind}

    @cached_property
    def weight_decays(self) -> Mapping[str, float]:
        """Weight decay of each trainable parameter.

        Leaves out groups without a weight decay, and groups whose weight decay the optimizer ignores (LRD803).
        """
        ignored = {group.name for each in self.optimizers if each.effects.decay == "ignored" for group in each.groups}
        return {
            parameter.name: group.weight_decay
            for group, parameter in self.group_map.grouped()
            if parameter.requires_grad and group.weight_decay is not None and group.name not in ignored
        }

    @cached_property
    def without_weight_decay(self) -> bool:
        """True if the only optimizer has no option for weight decay, or ignores it."""
        if len(self.group_map.optimizer.types) != 1 or self.group_map.checkpoint is not None:
            return False
        return self.group_map.base_weight_decay is None or any(e.effects.decay == "ignored" for e in self.optimizers)

    @cached_property
    def custom_keys(self) -> Mapping[str, KeyMatches]:
        """The parameters that each custom key matches; empty if lrdecay does not know how the constructor reads custom
        keys.
        """
        try:
            return custom_key_matches(self.group_map)
        except DecayError:  # the lr is not a number
            return {}

    @cached_property
    def multipliers(self) -> tuple[Multiplier, ...]:
        """The ``*_mult`` options in ``paramwise_cfg`` that the constructor is known to read."""
        return self.spec.multipliers_set(self.options)

    @cached_property
    def switched_off(self) -> frozenset[str]:
        """Parameters to which a weight decay multiplier does not apply because a custom key overrides the multiplier.

        The multiplier is an option such as ``norm_decay_mult``, or the ``decay_mult`` of another custom key.
        """
        found: set[str] = set()
        for matches in self.custom_keys.values():
            options = [option for option in matches.switches_off if option.endswith("decay_mult")]
            found.update(*(matches.switches_off[option] for option in options))
            found.update(matches.overridden if "decay_mult" in matches.settings else ())
        return frozenset(found)

    @cached_property
    def optimizers(self) -> tuple[MeasuredOptimizer, ...]:
        """The optimizers of the map whose effects on lr and weight decay were measured."""
        return tuple(measured_optimizers(self.group_map))

    @cached_property
    def schedulers(self) -> tuple[Scheduler, ...]:
        """The config's lr schedulers."""
        return tuple(scheduler for scheduler in self.all_schedulers if scheduler.parameter == "lr")

    @cached_property
    def all_schedulers(self) -> tuple[Scheduler, ...]:
        """All schedulers of the config, including schedulers that change the momentum or another option of groups."""
        return tuple(all_schedulers_of(self.group_map))


def describe_ids(ids: Sequence[int]) -> str:
    """Return the layer ids with a verb, for example ``layer id 8 is`` or ``layer ids 8 to 11 are``."""
    one = ids[0] == ids[-1]
    return f"layer id{'' if one else 's'} {integers(ids)} {'is' if one else 'are'}"
