"""A rule about constructor options that state the number of blocks in each stage of the backbone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from lrdecay_cli.rules.api import (
    PARAMWISE,
    Example,
    Fault,
    RuleContext,
    block_of,
    rule,
    set_option,
)

_LIST = re.compile(r"(?i)(?:^|_)(?:depths?|(?:num|n)_blocks|stage_blocks|blocks_per_stage|layers_per_stage)$")
_NUMBER = re.compile(r"(?i)^(?:depth|(?:num|n)_blocks|(?:backbone|vit|model)_depth)$")


class _Depths(NamedTuple):
    """The number of blocks per stage: ``given`` by a constructor option, and ``real`` in the model."""

    option: str
    given: tuple[int, ...]
    real: tuple[int, ...]
    """Number of blocks in each stage of the model; one number if the backbone has no stages."""

    @property
    def right(self) -> Any:
        return [*self.real] if len(self.real) > 1 else self.real[0]


_PLUGIN = """\
$CONSTRUCTOR
class CountedDecay($DEFAULT):
    def add_params(self, params, module, **kwargs):
        depths, groups = self.paramwise_cfg['depths'], {}
        head = self.paramwise_cfg['num_layers'] + 1
        for name, tensor in module.named_parameters():
            parts = name.split('.')
            layer = head if parts[0] != 'backbone' else 0
            if parts[1] == 'stages':
                layer = 1 + sum(depths[:int(parts[2])]) + int(parts[3])
            elif parts[1] == 'downsample_layers' and parts[2] != '0':
                layer = 1 + sum(depths[:int(parts[2])])
            scale = self.paramwise_cfg['decay_rate'] ** (head - layer)
            group = dict(params=[], lr=self.base_lr * scale, lr_scale=scale, layer_id=layer)
            groups.setdefault(layer, group)['params'].append(tensor)
        params.extend(groups.values())
"""
_COUNTED = (
    "optim_wrapper = dict(constructor='CountedDecay',\n"
    "    paramwise_cfg=dict(_delete_=True, decay_rate=0.9, num_layers={}, depths={}))"
)


@rule(
    "LRD210",
    "depths-of-another-model",
    severity="warning",
    also=("error",),
    bad=Example(_COUNTED.format(18, [3, 3, 9, 3]), _PLUGIN),
    good=Example(_COUNTED.format(12, [1, 1, 9, 1]), _PLUGIN),
)
def depths_of_another_model(context: RuleContext) -> Iterator[Fault]:
    """The constructor's ``depths`` option does not match the model.

    The constructor uses ``depths`` to count the layers of each stage. If ``depths`` is too high, some layer ids are
    unused. If ``depths`` is too low, some blocks share a layer id, or get a higher layer id than the head.

    InternImage's constructor and similar constructors have two options: ``depths`` repeats the backbone's depths, and
    ``num_layers`` is the sum of the depths. Change both options whenever you change the backbone, because no code
    compares them with the backbone.
    """
    found = _other_depths(context)
    if found is None:
        return
    right = {found.option: found.right}
    num_layers = _num_layers(context, found)
    if num_layers not in (None, context.options.get("num_layers")):
        right["num_layers"] = num_layers
    given = [*found.given] if len(found.given) > 1 else found.given[0]
    blocks = [tensor for row in context.backbone.blocks.values() for tensor in row]
    head = context.backbone.head_scale
    passes = head is not None and any(tensor.scale > head * (1 + 1e-9) for tensor in blocks)
    yield Fault(
        f"{found.option}={given} does not match the model: this backbone has {','.join(map(str, found.real))} blocks",
        f"set {' and '.join(f'{option}={value}' for option, value in right.items())}",
        parameters=[tensor.name for tensor in blocks],
        option=f"{PARAMWISE}.{found.option}",
        severity="error" if passes else None,
        edits=[set_option(f"{PARAMWISE}.{option}", value) for option, value in right.items()],
        covers=("LRD202", "LRD203", "LRD204", "LRD205", "LRD301"),
    )


def _num_layers(context: RuleContext, found: _Depths) -> int | None:
    """Return the ``num_layers`` that fits the correct ``depths``.

    With this value, the head's layer id is one above the highest layer id of the blocks. None if the layer ids of the
    head or the blocks are unknown.
    """
    num_layers, head = context.options.get("num_layers"), context.head_id
    last = max(context.backbone.blocks, default=None)
    top = max((tensor.group.layer_id or 0 for tensor in context.backbone.blocks[last]), default=0) if last else 0
    if not isinstance(num_layers, int) or head is None or not top:
        return None
    # Only earlier stages shift a block's layer id.
    moved = sum(found.real[:-1]) - sum(found.given[:-1])
    return num_layers + top + moved + 1 - head


def _other_depths(context: RuleContext) -> _Depths | None:
    """Return the first constructor option with wrong depths; None if no option has wrong depths.

    For example, ``depths=[3, 3, 9, 3]`` is wrong for a model with 3, 3, 27 and 3 blocks. Options that the constructor
    does not read are skipped.
    """
    real = _depths(context)
    if not context.spec.decays_layers or not real:
        return None
    reads = context.group_map.training.reads
    for option, value in context.options.items():
        listed = isinstance(value, (list, tuple))
        several = value if isinstance(value, (list, tuple)) else [value]
        if (reads is not None and option not in reads) or listed is not (len(real) > 1):
            continue
        of_ints = all(isinstance(each, int) and not isinstance(each, bool) and each > 0 for each in several)
        is_depths = of_ints and len(several) == len(real) and (_LIST if listed else _NUMBER).search(option)
        if is_depths and tuple(several) != real:
            return _Depths(option, tuple(several), real)
    return None


def _depths(context: RuleContext) -> tuple[int, ...]:
    """Return the number of blocks in each stage of the backbone, including frozen blocks.

    A backbone without stages gives a single number.
    """
    series = context.backbone.main_series
    own = (name.removeprefix(context.prefix) for name in context.tensors if name.startswith(context.prefix))
    places = {block.place for block in map(block_of, own) if block and block.series == series}
    if len({len(place) for place in places}) != 1:
        return ()
    if len(next(iter(places))) == 1:
        return (len(places),)
    stages = Counter(place[0] for place in places)
    return tuple(stages[stage] for stage in sorted(stages))
