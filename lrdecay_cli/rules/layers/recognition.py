"""Rules about backbone parameters whose names the constructor does not recognise."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lrdecay_cli.decay.families import BACKBONE_PREFIX
from lrdecay_cli.decay.parameter_kinds import is_new_beside
from lrdecay_cli.rules.api import (
    OURS,
    BackboneTensor,
    Example,
    Fault,
    RuleContext,
    count,
    in_its_place,
    kind_of,
    our_fix,
    part_with,
    rate,
    rule,
    span,
    verb,
)

_DECAY = """\
$CONSTRUCTOR
class BlockDecay($DEFAULT):
    def add_params(self, params, module, **kwargs):
        groups = {}
        for name, tensor in module.named_parameters():
            layer = self.layer(name)
            scale = self.paramwise_cfg['decay_rate'] ** (5 - layer)
            group = dict(params=[], lr=self.base_lr * scale, lr_scale=scale, layer_id=layer)
            groups.setdefault(layer, group)['params'].append(tensor)
        params.extend(groups.values())

    def layer(self, name):
        parts = name.split('.')
        if parts[0] != 'backbone' or parts[1].startswith('norm'):
            return 5
        return 0 if parts[1] == 'register_tokens' else int(parts[2]) + 1
"""
_REGISTERS = part_with(
    "ConvNeXtRegisters", "ConvNeXt", "self.register_tokens = nn.Parameter(nn.Linear(4, 4).weight.detach())"
)
_WITH_REGISTERS = "model = dict(backbone=dict(type='ConvNeXtRegisters'))\n"


@rule(
    "LRD201",
    "backbone-at-head-rate",
    severity="warning",
    also=("info",),
    bad=Example(_WITH_REGISTERS, _REGISTERS),
    good=Example(f"{_WITH_REGISTERS}optim_wrapper = dict(constructor='BlockDecay')", f"{_REGISTERS}\n{_DECAY}"),
    yields_to=("LRD207", "LRD208", "LRD303", "LRD305"),
)
def backbone_at_head_rate(context: RuleContext) -> Iterator[Fault]:
    """Some parameters of the backbone train at the head's lr, although the other backbone parameters have a lower lr.

    The constructor does not recognise the names of some backbone parameters and gives them the head's lr, up to a
    hundred times the lr of the layers around them. Pretrained parameters should train slowly.

    Tokens, position embeddings and stems are pretrained, so they should have the lr of their stage. mmpretrain's
    constructor gives register and mask tokens the head's lr. To give them the lr of their stage, use another
    constructor.

    LRD201 does not report the norm after the last block, because this norm is normally trained with the head.
    MMDetection's constructor gives all output norms of ConvNeXt the head's lr: ``backbone.norm0``, ``norm1``,
    ``norm2`` and ``norm3``. A classifier has only ``norm3``. The other three norms exist only in detectors and are not
    pretrained, so LRD201 reports them as info.

    Adapters add new modules to a pretrained backbone: ``spm``, ``interactions``, ``level_embed``, prompts, queries. New
    modules may train at the head's lr, so LRD201 does not report them.
    """
    # One fault for pretrained tensors, one for norms that a detector adds.
    backbone = context.backbone
    head = backbone.head_scale
    blocks = [tensor for row in backbone.blocks.values() for tensor in row]
    slow = [tensor for tensor in blocks if head is not None and tensor.scale < head and not backbone.at_head(tensor)]
    # Without layer decay, a slow part of the backbone may be intended.
    if head is None or not slow or (context.decay_rate is None and len(slow) * 2 < len(backbone.tensors)):
        return
    kinds = {
        tensor.name: kind_of(tensor.name, context.tensors[tensor.name].module, tensor.parameter.shape)
        for tensor in backbone.tensors
    }
    if context.group_map.modules:
        last = max(place for place, tensor in enumerate(backbone.tensors) if backbone.in_row(tensor))
        behind = {tensor.name for tensor in backbone.tensors[last + 1 :]}
    else:  # A checkpoint has no module order.
        behind = {name for name, kind in kinds.items() if kind == "norm"}
    fallen = [
        tensor
        for tensor in backbone.tensors
        if backbone.at_head(tensor)
        and not backbone.in_row(tensor)
        and (tensor.name not in behind or kinds[tensor.name] == "norm")
        and tensor.name.removeprefix(context.prefix).partition(".")[0]
        not in (context.family.added if context.family else ())
        and not is_new_beside(tensor.name.removeprefix(context.prefix))
        # BEiT and mmpretrain give the table that all blocks share the head's lr.
        and kinds[tensor.name] not in ("relative-position", "query")
    ]
    # A final norm's name has no number, or that of the last stage; without stages, the 1 of ``ln1`` is not a stage.
    deepest = max(backbone.blocks)
    stages = deepest[0] if len(deepest) > 1 else 0
    named = {
        _series(tensor)
        for tensor in fallen
        if tensor.name not in behind or (tensor.block and tensor.block.place[0] < stages)
    }
    fallen = [tensor for tensor in fallen if _series(tensor) in named]
    outputs = [tensor for tensor in fallen if _output_stage(context, tensor) is not None]
    pretrained = [tensor for tensor in fallen if tensor not in outputs]
    new = [tensor for tensor in outputs if (_output_stage(context, tensor) or 0) < stages]
    blocks_have = f"the backbone's blocks have lr scale {span(tensor.scale for tensor in slow)}"
    if pretrained:
        yield Fault(
            f"{_at_head(pretrained, head)}; {blocks_have}",
            _fix(context, pretrained),
            parameters=[tensor.name for tensor in pretrained],
            option=context.spec.lr_place,
            edits=() if context.spec.lr_from == "custom_keys" else our_fix(context, context.options),
        )
    if new:
        yield Fault(
            f"{_at_head(new, head)}; {blocks_have}:"
            f" a detector adds these norms, and a classifier's checkpoint contains only norm{stages}",
            f"change nothing if your checkpoint lacks these norms; otherwise {_fix(context, new)}",
            parameters=[tensor.name for tensor in new],
            option=context.spec.lr_place,
            severity="info",
        )


def _at_head(fallen: Sequence[BackboneTensor], head: float) -> str:
    trains = verb(len(fallen), "trains", "train")
    return f"{count(len(fallen), 'tensor')} of the backbone {trains} at the head's lr scale {rate(head)}"


_OUTPUT_NORM = re.compile(r"norm(\d+)\.", re.ASCII)


def _output_stage(context: RuleContext, tensor: BackboneTensor) -> int | None:
    """Return the stage number of an output norm: 3 for ``backbone.norm3.weight``. None for other parameters."""
    if context.family is None or not context.family.output_norms:
        return None
    found = _OUTPUT_NORM.match(tensor.name.removeprefix(context.prefix))
    return int(found[1]) if found else None


def _series(tensor: BackboneTensor) -> str:
    """Return the module path of a tensor, with ``#`` for each number: ``norm#`` for the norms of all stages.

    For a name without a number, return the full name.
    """
    return tensor.block.series if tensor.block else tensor.name


def _fix(context: RuleContext, fallen: Sequence[BackboneTensor]) -> str:
    if context.spec.lr_from == "custom_keys":
        return "in the custom keys that match these tensors, set the same lr_mult as in the backbone's key"
    modules = list(dict.fromkeys(tensor.name.removeprefix(context.prefix).partition(".")[0] for tensor in fallen))
    named = ", ".join(modules[:4]) + (", …" if len(modules) > 4 else "")
    return f"use a constructor with a layer id for {named}, such as {in_its_place(context)}"


_WRAPPER = """\
from mmengine.model import BaseModel
from mmengine.optim import $DEFAULT
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS

@MODELS.register_module()
class Student(BaseModel):
    def __init__(self, student):
        super().__init__()
        self.student = MODELS.build(student)

    def forward(self, *args, **kwargs):
        return self.student(*args, **kwargs)

@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class StageDecay($DEFAULT):
    def add_params(self, params, module, **kwargs):
        groups = {}
        for name, tensor in module.named_parameters():
            own = name.removeprefix(self.paramwise_cfg['prefix'])
            parts = own.split('.')
            layer = int(parts[1]) + 1 if own != name and parts[0] in ('stages', 'downsample_layers') else 5
            scale = self.paramwise_cfg['decay_rate'] ** (5 - layer)
            group = dict(params=[], lr=self.base_lr * scale, lr_scale=scale, layer_id=layer)
            groups.setdefault(layer, group)['params'].append(tensor)
        params.extend(groups.values())
"""
_WRAPPED = """\
model = dict(_delete_=True, type='Student', student=dict(
    type='ImageClassifier',
    backbone=dict(type='ConvNeXt', arch=dict(depths=[1, 1, 3, 1], channels=[4, 8, 16, 32])),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=32)))
optim_wrapper = dict(constructor='StageDecay', paramwise_cfg=dict(_delete_=True, decay_rate=0.7, prefix='{}'))
"""


@rule(
    "LRD207",
    "names-hidden-by-wrapper",
    severity="error",
    bad=Example(_WRAPPED.format("backbone."), _WRAPPER),
    good=Example(_WRAPPED.format("student.backbone."), _WRAPPER),
    yields_to=("LRD305",),
)
def names_hidden_by_wrapper(context: RuleContext) -> Iterator[Fault]:
    """The parameter names of the backbone begin with a prefix that the constructor does not expect.

    The constructor looks for names that begin with ``backbone.`` (dot included) and gives all other parameters the
    head's lr. The whole backbone then trains without layer decay.

    The names of backbone parameters do not begin with ``backbone.`` if the model is a part of another model
    (``student.backbone``), if it is wrapped twice (a second ``.module``), or if the detector calls its backbone
    ``img_backbone``.
    """
    if context.prefix == BACKBONE_PREFIX or not context.decay_reaches_no_block:
        return
    members = context.backbone.tensors
    yield Fault(
        f"all {count(len(members), 'tensor')} of the backbone train at the head's lr: their names begin with"
        f" {context.prefix!r}, but {context.constructor_label} looks for {BACKBONE_PREFIX!r}",
        f"use a constructor with an option for the prefix, such as {OURS.label} with"
        f" backbone={context.prefix.rstrip('.')!r}",
        parameters=[tensor.name for tensor in members],
        option="optim_wrapper.constructor",
        edits=our_fix(context, context.options),
    )


_PLAIN_CONVNEXT = """\
from mmengine.registry import MODELS
from mmpretrain.models import ConvNeXt

@MODELS.register_module()
class PlainConvNeXt(ConvNeXt):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.blocks = self._modules.pop('stages')
        self.stem = self._modules.pop('downsample_layers')
"""


@rule(
    "LRD208",
    "backbone-not-served",
    severity="error",
    also=("warning",),
    bad=Example("model = dict(backbone=dict(type='PlainConvNeXt'))", _PLAIN_CONVNEXT),
    good=Example("model = dict(backbone=dict(type='ConvNeXt'))", _PLAIN_CONVNEXT),
    yields_to=("LRD305",),
)
def backbone_not_served(context: RuleContext) -> Iterator[Fault]:
    """The constructor does not recognise the names of the backbone's blocks, so no block gets a lower lr.

    All blocks train at the head's lr, and the decay rate has no effect. The training overwrites pretrained features
    early, and no warning appears.

    MMDetection's constructor accepts every backbone class with ``ConvNeXt`` in its name and expects four stages. It
    does not check the parameter names.

    mmpretrain's constructor calls the backbone's method ``get_layer_depth``. HiViT's method looks for modules called
    ``layers``, but HiViT's modules are called ``blocks``.
    """
    backbone = context.backbone
    blocks = [tensor for row in backbone.blocks.values() for tensor in row]
    kind = context.group_map.model.backbone or "backbone"
    if context.spec.first_stage_is_a_layer and len(context.depths) == 1 and context.depths[0] > 1:
        yield Fault(
            f"all {context.depths[0]} blocks of this {kind} have lr scale {span(tensor.scale for tensor in blocks)}:"
            f" {context.constructor_label} gives all blocks of the first stage one layer id, and this backbone has only"
            " one stage",
            f"use a constructor that gives each block of a stage its own layer id, such as {OURS.label}",
            parameters=[tensor.name for tensor in blocks],
            option="optim_wrapper.constructor",
            severity="warning",
            edits=our_fix(context, context.options),
        )
    if context.prefix != BACKBONE_PREFIX or not context.decay_reaches_no_block:
        return
    first_block = f" ({backbone.block_name(next(iter(backbone.blocks)))}, …)" if backbone.blocks else ""
    blocks_label = f"the {count(len(backbone.blocks), 'block')} of this {kind}" if backbone.blocks else f"this {kind}"
    yield Fault(
        f"{blocks_label}{first_block} train at the head's lr scale {rate(backbone.head_scale or 1)}:"
        f" {context.constructor_label} does not recognise the parameter names",
        f"use a constructor that recognises these names, such as {OURS.label}",
        parameters=[tensor.name for tensor in blocks or backbone.tensors],
        option="optim_wrapper.constructor",
        edits=our_fix(context, context.options),
    )
