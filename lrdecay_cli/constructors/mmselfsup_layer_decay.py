"""The rules of mmselfsup's ``LearningRateDecayOptimWrapperConstructor``.

The constructor has layer ids for ViT, Swin and MixMIM. Its custom keys set only weight decay.

Source: mmselfsup 1.0.0, ``mmselfsup/engine/optimizers/layer_decay_optim_wrapper_constructor.py``. ``model_type`` and
``layer_decay_rate`` are options of the optimizer. If a name contains several custom keys, the shortest key applies. In
each layer, all parameters with a nonzero weight decay are in one group, which uses the weight decay of its first
parameter. With ``model_type='mixmim'``, the head has the layer id of the last block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from lrdecay_cli.constructors.layer_names import TOKENS
from lrdecay_cli.constructors.precedence import OptionPrecedence, layer_trace
from lrdecay_cli.constructors.spec import ConstructorInputs, ConstructorSpec, CustomKeys
from lrdecay_cli.decay.families import BACKBONE_PREFIX
from lrdecay_cli.decay.families.interface import Depths, depths_by, index_part
from lrdecay_cli.decay.options import DecayError, finite_number
from lrdecay_cli.decay.rules import OPTIMIZER
from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import FALLBACK, Formula, Provenance, arrow, by_name, computed

_TYPE, _RATE = "model_type", "layer_decay_rate"


class _ModelType(NamedTuple):
    depths: Depths
    layers: int
    """Number of layers in the constructor's formula, minus the number of blocks."""
    stem: int
    """Layer id of the stem, the lowest layer id. The first block has the next layer id, and the head the highest."""
    is_stem: Callable[[str], str | None]
    """Maps a parameter name of the stem to its name pattern, such as ``*patch_embed*``. Maps other names to None."""
    blocks: str
    """Name of the module that contains the blocks, without the backbone's prefix: ``layers`` or ``stages``."""
    between: tuple[str, ...] = ()
    """Modules between two stages, such as ``downsample``. They have the layer id of the last block before them."""


def _stem_of_vit(name: str) -> str | None:
    if name in [f"{BACKBONE_PREFIX}{token}" for token in TOKENS]:
        return name
    return f"{BACKBONE_PREFIX}patch_embed" if name.startswith(f"{BACKBONE_PREFIX}patch_embed") else None


def _containing(*parts: str) -> Callable[[str], str | None]:
    return lambda name: next((f"*{part}*" for part in parts if part in name), None)


_TYPES: Mapping[str, _ModelType] = {
    "vit": _ModelType(depths_by(r"layers\.(\d+)\."), 2, 0, _stem_of_vit, "layers"),
    "swin": _ModelType(
        depths_by(r"stages\.(\d+)\.blocks\.(\d+)\."),
        2,
        0,
        _containing("mask_token", "patch_embed"),
        "stages",
        ("reduction", "norm"),
    ),
    "mixmim": _ModelType(
        depths_by(r"layers\.(\d+)\.blocks\.(\d+)\."),
        1,
        -1,
        _containing("patch_embed", "absolute_pos_embed", "pos_embed"),
        "layers",
        ("downsample", "reduction", "norm"),
    ),
}


class _Rules(OptionPrecedence):
    def __init__(self, inputs: ConstructorInputs, names: Sequence[str]) -> None:
        super().__init__(inputs)
        known = _TYPES.get(str(inputs.optimizer.get(_TYPE)))
        if known is None:
            raise DecayError(f"the value must be one of {', '.join(_TYPES)}", where=f"{OPTIMIZER}.{_TYPE}")
        if inputs.base_lr is None or inputs.base_weight_decay is None:
            raise DecayError("lr and weight decay are required", where=OPTIMIZER)
        self._type, self._lr, self._decay = known, inputs.base_lr, inputs.base_weight_decay
        self._rate = finite_number(inputs.optimizer.get(_RATE, 1.0), f"{OPTIMIZER}.{_RATE}")
        self._depths = known.depths(names, BACKBONE_PREFIX)
        self._layers = sum(self._depths) + known.layers

    def provenance(self, tensor: Tensor) -> Provenance:
        layer_id = self._layer_id(tensor.seen)
        at, layers, rate = layer_id.result, self._layers, self._rate
        assert isinstance(at, int)
        try:
            scale = rate ** (layers - at - 1)
        except (ZeroDivisionError, OverflowError):
            problem = f"a power of {_RATE} is undefined or too large for a float"
            raise DecayError(problem, where=f"{OPTIMIZER}.{_RATE}") from None
        inputs = {_RATE: rate, "layers": layers, "layer_id": at}
        base = f"({rate!r})" if rate < 0 else repr(rate)
        formula = f"{base} ** ({layers} - {at} - 1)"
        return Provenance(
            layer_id,
            computed(f"{_RATE} ** (layers - layer_id - 1)", formula, scale, inputs),
            computed(
                "lr_scale * base_lr",
                f"{scale!r} * {self._lr!r}",
                scale * self._lr,
                {"lr_scale": scale, "base_lr": self._lr},
            ),
            self._weight_decay(tensor),
        )

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        return (layer_trace(self._layer_id(tensor.seen)), *super().considered(tensor, provenance))

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        own, real = self._own_decay(tensor).result, provenance.weight_decay.result
        if own == real:
            return ()
        return (
            f"this parameter's weight decay would be {own!r}, but its group uses the weight decay of the group's first"
            " parameter",
        )

    def _layer_id(self, name: str) -> Formula:
        known = self._type
        stem = known.is_stem(name)
        if stem is not None:
            return by_name(stem, str(known.stem), str(known.stem), known.stem)
        if not name.startswith(f"{BACKBONE_PREFIX}{known.blocks}"):
            top, less = self._layers + known.stem - 1, 1 - known.stem
            inputs = {"layers": self._layers}
            return arrow("fallback", FALLBACK, f"layers - {less}", f"{self._layers} - {less}", top, inputs)
        first, parts = known.stem + 1, name.split(".")
        # The first block's id in symbols: "block + 1", or "block" if the stem's id is -1.
        sign = f" + {first}" if first else ""
        if not known.between:
            block = index_part(name, parts, 2, "block")
            pattern = f"{BACKBONE_PREFIX}{known.blocks}.<block>"
            return by_name(pattern, f"block{sign}", f"{block}{sign}", block + first, {"block": block})
        stage = index_part(name, parts, 2, "stage")
        before = f"{BACKBONE_PREFIX}{known.blocks}.<stage>"
        if len(parts) > 4 and parts[4] in known.between:
            blocks = sum(self._depths[: stage + 1])
            end = f" - {1 - first}" if first != 1 else ""
            return by_name(
                f"{before}.*.{parts[4]}", f"blocks{end}", f"{blocks}{end}", blocks + first - 1, {"blocks": blocks}
            )
        block, blocks = index_part(name, parts, 4, "block"), sum(self._depths[:stage])
        return by_name(
            f"{before}.blocks.<block>",
            f"blocks + block{sign}",
            f"{blocks} + {block}{sign}",
            blocks + block + first,
            {"blocks": blocks, "block": block},
        )

    def _weight_decay(self, tensor: Tensor) -> Formula:
        own, group = self._own_decay(tensor), tensor.group
        if group is None or group.weight_decay == own.result or not group.weight_decay or not own.result:
            return own
        first = group.parameters[0].name
        rule = f"{own.rule} = {own.result!r}, but the group has the weight decay of its first parameter, {first}"
        return Formula(rule, repr(group.weight_decay), group.weight_decay, basis="default")

    def _own_decay(self, tensor: Tensor) -> Formula:
        base, key = self._decay, self.winning_key(tensor)
        inputs: dict[str, int | float] = {"base_weight_decay": base}
        if key is None:
            return Formula("base_weight_decay", repr(base), base, inputs, "given", expression="base_weight_decay")
        given = self.key_settings(key).get("decay_mult", 1.0)
        factor = finite_number(given, f"paramwise_cfg.custom_keys[{key!r}].decay_mult")
        return Formula(
            f"base_weight_decay * custom_keys[{key!r}].decay_mult",
            f"{base!r} * {factor!r}",
            base * factor,
            {**inputs, "decay_mult": factor},
            "custom_key",
            key,
            "base_weight_decay * decay_mult",
        )


SPEC = ConstructorSpec(
    name="LearningRateDecayOptimWrapperConstructor",
    project="mmselfsup",
    package="mmselfsup",
    scope="mmselfsup",
    short="mmselfsup layer decay",
    lr_from="layers",
    options=("custom_keys",),
    makes_groups_without_options=True,
    rest_is_head=True,
    stem_id=-1,
    custom_keys=CustomKeys(targets=("weight_decay",), shortest_counts=True),
    exempting="set decay_mult=0 in custom keys",
    make_rules=lambda inputs, names, _depth: _Rules(inputs, names),
)
