"""Rules about biases, norms, embeddings and other parameters that have weight decay, but usually should not have it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from lrdecay_cli.decay.parameter_kinds import Kind
from lrdecay_cli.domain.finding import Severity
from lrdecay_cli.rules.api import (
    EXEMPTING,
    PARAMWISE,
    Edit,
    Fault,
    RuleContext,
    count,
    default_with,
    exempt_in_ours,
    key_option,
    keys_fix,
    number_or_none,
    part_with,
    plain_number,
    rule,
    set_option,
    verb,
)
from lrdecay_cli.rules.weight_decay.exemptions import all_vainly_exempt

_STRONG = 0.01
"""The smallest weight decay with a noticeable effect in AdamW and similar optimizers. In SGD, 1e-4 is usual."""
_DECOUPLED = re.compile(r"(?i)adamw|lion|lamb|lars|adan|sophia|muon")

_NOUNS: dict[Kind, str] = {
    "norm": "normalisation tensor",
    "bias": "bias",
    "position": "position embedding",
    "relative-position": "relative position table",
    "token": "token",
    "layer-scale": "layer-scale gamma",
}


@rule(
    "LRD401",
    "norms-decayed",
    severity="warning",
    bad=default_with("bias_decay_mult=0.0, custom_keys=dict(gamma=dict(decay_mult=0.0))"),
    good=default_with(
        "norm_decay_mult=0.0, bias_decay_mult=0.0,\n        custom_keys=dict(gamma=dict(decay_mult=0.0))"
    ),
)
def norms_decayed(context: RuleContext) -> Iterator[Fault]:
    """Parameters of normalisation layers have weight decay.

    Weight decay shrinks the gain of a norm. A smaller gain rescales the output, but does not regularise the model.

    lrdecay recognises torch's norms by module (batch, instance, group and layer norm). It recognises custom norms
    (RMSNorm, LayerNorm2d, GRN) by their type or name, if the parameter has one value per channel. ``norm_decay_mult``
    applies only to torch's norms; for custom norms use ``flat_decay_mult`` or ``custom_keys``.

    LRD401 reports configs in which only some norms are exempt from weight decay. If no norm is exempt, LRD401 reports
    only configs with AdamW or a similar optimizer and a weight decay of 0.01 or more. SGD with the usual 1e-4 is not
    reported.
    """
    # One fault for all norms, except those whose exemption a custom key overrides.
    yield from _decayed_faults(context, "norm", beside_others=False)


@rule(
    "LRD402",
    "biases-decayed",
    severity="warning",
    also=("info",),
    bad=default_with("norm_decay_mult=0.0, custom_keys=dict(gamma=dict(decay_mult=0.0))"),
    good=default_with("norm_decay_mult=0.0, flat_decay_mult=0.0"),
)
def biases_decayed(context: RuleContext) -> Iterator[Fault]:
    """Biases have weight decay.

    Weight decay of a bias does not regularise the model. It only shifts activations.

    ``bias_decay_mult`` applies only to parameters named ``bias``. It does not apply to ``in_proj_bias`` of an attention
    layer, or to the convolutions that compute the offsets of a deformable convolution. ``flat_decay_mult`` applies to
    all 1-D parameters.

    The finding is a warning if only some biases are exempt from weight decay. It is an info if AdamW or a similar
    optimizer gives all biases a weight decay of 0.01 or more, as in many configs.
    """
    offsets = [name for name in context.kinds if "offset" in context.tensors[name].traits]
    yield from _decayed_faults(context, "bias", strong="info", beside_others=False, leave_out=offsets)


_VIT = """\
model = dict(
    backbone=dict(_delete_=True, type='VisionTransformer', img_size=32, patch_size=16,
        arch=dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=16)),
    head=dict(in_channels=8))
"""
_TOKEN_AND_POSITIONS = """\
flat_decay_mult=0.0,
        custom_keys=dict({}=dict(decay_mult=0.0), pos_embed=dict(decay_mult=0.0))"""


@rule(
    "LRD403",
    "positions-decayed",
    severity="warning",
    bad=default_with("flat_decay_mult=0.0, custom_keys=dict(cls_token=dict(decay_mult=0.0))", model=_VIT),
    good=default_with(_TOKEN_AND_POSITIONS.format("cls_token"), model=_VIT),
)
def positions_decayed(context: RuleContext) -> Iterator[Fault]:
    """Position embeddings or relative position tables have weight decay.

    The model looks up position embeddings and never multiplies them with an input. Weight decay therefore shrinks them
    without regularising the model.

    lrdecay recognises absolute position embeddings by name (``pos_embed``, ``position_embeddings``), or as an embedding
    inside a positional encoding. It recognises relative position tables by names such as
    ``relative_position_bias_table`` and ``rel_pos_h``. LRD403 does not report a module that computes positions, such as
    a convolution called ``pos_embed``.

    LRD403 reports position embeddings in two cases: the config exempts other parameters from weight decay, or it trains
    with AdamW or a similar optimizer and a weight decay of 0.01 or more.
    """
    # One fault each for absolute embeddings and relative tables, except those that LRD406 and LRD508 report.
    left_out = all_vainly_exempt(context)
    yield from _decayed_faults(context, "position", leave_out=left_out)
    yield from _decayed_faults(context, "relative-position", leave_out=left_out)


_REGISTERS = part_with(
    "RegisterViT", "VisionTransformer", "self.reg_token = nn.Parameter(self.cls_token.detach().repeat(1, 4, 1))"
)
_REGISTER_VIT = _VIT.replace("VisionTransformer", "RegisterViT")


@rule(
    "LRD404",
    "tokens-decayed",
    severity="warning",
    bad=default_with(_TOKEN_AND_POSITIONS.format("cls_token"), model=_REGISTER_VIT, plugin=_REGISTERS),
    good=default_with(_TOKEN_AND_POSITIONS.format("_token"), model=_REGISTER_VIT, plugin=_REGISTERS),
)
def tokens_decayed(context: RuleContext) -> Iterator[Fault]:
    """Learnable tokens have weight decay.

    A token is an input of the model, not a weight, so weight decay shrinks the input of the attention layers.

    lrdecay recognises class, mask, register (``reg_token``, ``register_tokens``), distillation, storage and global
    tokens by name. Exemption lists often contain ``cls_token`` but lack newer tokens. LRD404 does not report the
    queries of a detector: Mask2Former exempts queries from weight decay, DETR does not.

    LRD404 reports tokens in two cases: the config exempts other parameters from weight decay, or it trains with AdamW
    or a similar optimizer and a weight decay of 0.01 or more.
    """
    # One fault for all tokens, except those that LRD406 and LRD508 report.
    yield from _decayed_faults(context, "token", leave_out=all_vainly_exempt(context))


@rule(
    "LRD405",
    "layer-scale-decayed",
    severity="warning",
    bad=default_with("norm_decay_mult=0.0, bias_decay_mult=0.0"),
    good=default_with("flat_decay_mult=0.0"),
)
def layer_scale_decayed(context: RuleContext) -> Iterator[Fault]:
    """Layer-scale gammas have weight decay.

    A layer-scale gamma is the gain of a residual branch and starts near zero. Weight decay keeps it near zero, so the
    branch contributes little.

    lrdecay recognises layer-scale gammas by name (``gamma``, ``gamma_1``, ``layer_scale``, ``ls1.weight``) or by module
    type, if the parameter has one value per channel. ``flat_decay_mult`` applies to gammas; ``norm_decay_mult`` and
    ``bias_decay_mult`` do not.

    LRD405 reports layer-scale gammas in two cases: the config exempts other parameters from weight decay, or it trains
    with AdamW or a similar optimizer and a weight decay of 0.01 or more.
    """
    # One fault for all gammas, except those whose exemption a custom key overrides.
    yield from _decayed_faults(context, "layer-scale")


def _decayed_faults(
    context: RuleContext,
    kind: Kind,
    *,
    strong: Severity = "warning",
    beside_others: bool = True,
    leave_out: Iterable[str] = (),
) -> Iterator[Fault]:
    """Yield a fault if parameters of a kind have weight decay although the config suggests that they should be exempt.

    Args:
        context: the group map with its computed values.
        kind: the kind of parameter, for example ``bias``.
        strong: severity if no parameter of this kind is exempt, the optimizer is AdamW or similar, and its weight decay
            is 0.01 or more.
        beside_others: True to report this kind also if the config exempts only parameters of other kinds.
        leave_out: parameters not to report, because another rule reports them. Parameters whose exemption a custom key
            overrides are never reported.
    """
    base = context.group_map.base_weight_decay
    is_strong = base is not None and base >= _STRONG and bool(_DECOUPLED.search(context.group_map.optimizer.type))
    of_kind = {name: decay for name, decay in context.weight_decays.items() if context.kinds.get(name) == kind}
    left_out = {*context.switched_off, *leave_out}
    named = [name for name, decay in of_kind.items() if decay and name not in left_out]
    # bias_decay_mult matches the biases of norms too, but not their weights.
    parts = {name.rpartition(".")[2] for name in named}
    exempt = [name for name, decay in of_kind.items() if not decay]
    alike = [name for name in exempt if kind != "norm" or name.rpartition(".")[2] in parts]
    others = beside_others and not all(context.weight_decays.values())
    if not named or not (alike or is_strong or others):
        return
    values = sorted({of_kind[name] for name in named})
    amount = f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g}"
    message = f"{count(len(named), _NOUNS[kind])} {verb(len(named), 'has', 'have')} weight decay {amount}"
    given = _given(context)
    if values == [_OWN.get(context.group_map.optimizer.type)] and given not in (None, values[0]):
        # The constructor drops the config's value, so the class uses its default.
        message += f", the default of {context.group_map.optimizer.type}, because {context.constructor} ignores"
        message += f" the config's weight decay {given:g}"
    if alike:
        message += f", while {len(alike)} {verb(len(alike), 'is', 'are')} exempt"
    elif not is_strong:
        message += ", but other parameters are exempt from weight decay"
    fix, edits = _exempting_setting(context, kind, named)
    # With multipliers, the custom key is not the only cause.
    keys = [] if context.spec.multipliers else [*_by_key(context, named)]
    yield Fault(
        message,
        fix,
        parameters=named,
        option=key_option(keys[0]) if len(keys) == 1 else "",
        edits=edits,
        severity=strong if is_strong and not alike else "warning",
    )


_OWN = {"AdamW": 0.01}
"""The default weight decay of each torch optimizer, if this default is not 0."""


def _given(context: RuleContext) -> float | None:
    optimizer = context.group_map.training.optim_wrapper.get("optimizer")
    return number_or_none(optimizer.get("weight_decay")) if isinstance(optimizer, Mapping) else None


def _exempting_setting(context: RuleContext, kind: Kind, names: list[str]) -> tuple[str, list[Edit]]:
    """Return the option or custom keys that exempt these parameters from weight decay, as text and as edits."""
    if context.without_options:
        name = context.spec.name
        fix = f"set a decay rate in paramwise_cfg: if it is empty, {name} builds one group and exempts no parameter"
        return fix, []
    keys = context.spec.custom_keys
    by_keys = keys is not None and "weight_decay" in keys.targets and not keys.shortest_counts
    if not context.spec.multipliers and not by_keys:
        return context.spec.exempting, []
    given, edits = _weight_decay_given(context)
    fixes = []
    by_key = _by_key(context, names)
    keyed = {name for several in by_key.values() for name in several}
    if free := [name for name in names if name not in keyed]:
        fix, more = _exempting_option(context, kind, free, beside_keys=bool(keyed))
        fixes.append(fix)
        edits += more
    complete = True
    for key, several in by_key.items():
        # A longer key overrides this one, so it needs the same settings.
        settings = {**context.custom_keys[key].settings, "decay_mult": 0}
        else_do = EXEMPTING if context.spec.multipliers and exempt_in_ours(context, several) else ""
        fix, more = keys_fix(several, context.trained, key, settings, else_do=else_do)
        fixes.append(fix)
        edits += more
        complete = complete and bool(more)
    return f"{given}{', and '.join(fixes)}", edits if complete else []


def _by_key(context: RuleContext, names: list[str]) -> dict[str, list[str]]:
    """Return the custom keys that apply to parameters in ``names``, each with these parameters."""
    found = {key: [name for name in names if name in matches.wins] for key, matches in context.custom_keys.items()}
    return {key: several for key, several in found.items() if several}


def _weight_decay_given(context: RuleContext) -> tuple[str, list[Edit]]:
    """Return a fix that writes the optimizer's weight decay into the config, as text and edits.

    The fix is empty if the config already sets the weight decay. Multipliers such as ``bias_decay_mult`` apply only
    to a weight decay in the config. Source: mmengine 0.10.7, ``_validate_cfg`` of the default constructor raises if the
    config sets a decay multiplier but no weight decay.
    """
    optimizer = context.group_map.training.optim_wrapper.get("optimizer")
    base = context.group_map.base_weight_decay
    if not isinstance(optimizer, Mapping) or optimizer.get("weight_decay") is not None or base is None:
        return "", []
    return f"set {_WEIGHT_DECAY}={plain_number(base)}, then ", [set_option(_WEIGHT_DECAY, plain_number(base))]


_WEIGHT_DECAY = "optim_wrapper.optimizer.weight_decay"


def _exempting_option(
    context: RuleContext, kind: Kind, names: list[str], *, beside_keys: bool
) -> tuple[str, list[Edit]]:
    """Return a fix that exempts the parameters ``names`` from weight decay, as text and edits.

    The fix sets one option, such as ``bias_decay_mult``. If no such option matches all these parameters, the fix sets
    custom keys.
    """
    tensors = [context.tensors[name] for name in names]
    if not context.spec.multipliers:
        return keys_fix(names, context.trained, "", {"decay_mult": 0})
    if kind == "norm" and all("norm" in tensor.traits for tensor in tensors):
        option = "norm_decay_mult"
    elif kind == "bias" and all(tensor.own == "bias" for tensor in tensors):
        option = "bias_decay_mult"
    elif all(len(tensor.shape) == 1 for tensor in tensors):
        option = "flat_decay_mult"
    elif beside_keys:
        return keys_fix(names, context.trained, "", {"decay_mult": 0})
    else:
        keys = sorted({_key(name) for name in names}, key=len)
        keys = [key for key in keys if not any(other != key and other in key for other in keys)]
        listed = ", ".join(f"{key!r}: dict(decay_mult=0)" for key in keys[:3])
        edits = [set_option(key_option(key), {"decay_mult": 0}) for key in keys]
        return f"set custom_keys={{{listed}{', …' if len(keys) > 3 else ''}}}", edits
    return f"set {PARAMWISE}.{option}=0", [set_option(f"{PARAMWISE}.{option}", 0)]


def _key(name: str) -> str:
    path, _, own = name.rpartition(".")
    return f"{path.rpartition('.')[2]}.{own}" if own in ("weight", "bias", "scale", "gain") and path else own
