"""Rule LRD405: layer-scale-decayed."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, decayed_faults, rule


@rule(
    "LRD405",
    "layer-scale-decayed",
    severity="warning",
    bad=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, norm_decay_mult=0.0, bias_decay_mult=0.0))"
    ),
    good=Example(
        "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor',\n"
        "    paramwise_cfg=dict(_delete_=True, flat_decay_mult=0.0))"
    ),
)
def layer_scale_decayed(context: RuleContext) -> Iterator[Fault]:
    """Layer-scale gammas are decayed like weights.

    A gamma is the gain of a whole residual branch and starts near zero; weight decay holds the branch shut.

    Told by name (``gamma``, ``gamma_1``, ``layer_scale``, ``ls1.weight``) or by the module's type, where the parameter
    has one value for each channel. ``norm_decay_mult`` and ``bias_decay_mult`` do not reach them; ``flat_decay_mult``
    does.

    Reported where the config exempts anything from weight decay, and for AdamW and its kin from a weight decay of 0.01
    on.
    """
    # One fault for all gammas, but for those for which a custom key switched the exemption off.
    left_out = context.switched_off
    yield from decayed_faults(
        context, ["layer-scale"], strong="warning", partial="warning", beside_others="warning", leave_out=left_out
    )
