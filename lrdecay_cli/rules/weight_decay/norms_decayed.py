"""Rule LRD401: norms-decayed."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, decayed_faults, rule


@rule(
    "LRD401",
    "norms-decayed",
    severity="warning",
    bad=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, bias_decay_mult=0.0, custom_keys=dict(gamma=dict(decay_mult=0.0))))"
    ),
    good=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, norm_decay_mult=0.0, bias_decay_mult=0.0,\n"
        "        custom_keys=dict(gamma=dict(decay_mult=0.0))))"
    ),
)
def norms_decayed(context: RuleContext) -> Iterator[Fault]:
    """Parameters of normalisation layers are decayed like other weights.

    Weight decay pulls the gains of norms towards zero, which only rescales what they normalise and regularises nothing.

    Norms are told by module (batch, instance, group and layer norm) and by what custom ones look like: a module whose
    type or name says norm (RMSNorm, LayerNorm2d, GRN) and that has one value for each channel. ``norm_decay_mult``
    reaches the first kind alone; for the others use ``flat_decay_mult`` or ``custom_keys``. It is reported where some
    norms are exempt and others are not, and for AdamW and its kin from a weight decay of 0.01 on, which is meant for
    weights alone. That SGD decays all alike by its usual 1e-4 is a habit, and not reported.
    """
    # One fault for all norms, but for those for which a custom key switched the exemption off.
    left_out = context.switched_off
    yield from decayed_faults(context, ["norm"], strong="warning", partial="warning", leave_out=left_out)
