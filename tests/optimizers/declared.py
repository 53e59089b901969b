"""Uses of lr and weight decay that the documentation of optimizers promises.

For all optimizers: PyTorch's "Per-parameter options", which give each group its own lr and weight decay.
"""

from __future__ import annotations

from collections.abc import Mapping

L2 = ("in the gradient", "in the adaptive gradient")
DECOUPLED = ("lr × weight decay",)

WEIGHT_DECAY: Mapping[tuple[str, ...], Mapping[str, str]] = {
    # By distribution, if docstrings or signatures contain "L2 penalty", or use the names of Adam or SGD without further
    # text.
    L2: {
        "bitsandbytes": "Adagrad Adagrad8bit Adam Adam8bit LARS RMSprop SGD",
        "dadaptation": "DAdaptAdaGrad DAdaptAdam DAdaptSGD",
        "madgrad": "MADGRAD MirrorMADGRAD",
        "torch": "ASGD Adadelta Adagrad Adam Adamax NAdam RAdam RMSprop Rprop SGD",
        "torch-optimi": "Adam RAdam SGD",
        "torch-optimizer": "A2GradExp A2GradInc A2GradUni AccSGD AdaBelief AdaBound AdaMod AdamP AggMo Apollo DiffGrad"
        " LARS Lamb MADGRAD NovoGrad PID QHAdam QHM RAdam Ranger RangerQH RangerVA SGDP SWATS Shampoo Yogi",
        "torchao": "Adam4bit Adam8bit AdamFp8",
    },
    # If they contain "decoupled" or "as AdamW", or refer to "Decoupled Weight Decay Regularization".
    DECOUPLED: {
        "adan-pytorch": "Adan",
        "bitsandbytes": "AdamW AdamW8bit AdEMAMix AdEMAMix8bit LAMB Lion Lion8bit",
        "came-pytorch": "CAME",
        "dadaptation": "DAdaptLion",
        "heavyball": "AdamC AdamW ADOPT LaProp SGD",
        "lion-pytorch": "Lion",
        "muon-optimizer": "SingleDeviceMuon",
        "prodigyopt": "Prodigy",
        "schedulefree": "AdamWScheduleFree AdamWScheduleFreeClosure",
        "timm": "AdamWLegacy Adan LaProp Lion Muon NAdamW",
        "torch": "Adafactor AdamW Muon",
        "torch-optimi": "AdamW Adan Lion Ranger StableAdamW",
        "torch-optimizer": "SGDW",
        "torchao": "AdamW4bit AdamW8bit AdamWFp8",
        "transformers": "AdamW",
    },
}


def declared_decays(distribution: str, name: str, options: Mapping[str, object]) -> tuple[str, ...]:
    """Return the expected uses of weight decay; empty if the documentation does not define them."""
    if any(options.get(key) for key in ("decoupled_weight_decay", "decouple_lr", "corrected_weight_decay")):
        return () if distribution != "torch" else DECOUPLED
    return next(
        (kinds for kinds, known in WEIGHT_DECAY.items() if name in known.get(distribution, "").split()),
        (),
    )
