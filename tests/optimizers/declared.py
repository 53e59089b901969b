"""What the documentation of optimizers makes one expect of lr and weight decay.

Everywhere: PyTorch's "Per-parameter options", by which each group trains with its own lr and weight decay.
"""

from __future__ import annotations

from collections.abc import Mapping

L2 = ("in the gradient", "in the adaptive gradient")
DECOUPLED = ("lr × weight decay",)

WEIGHT_DECAY: Mapping[tuple[str, ...], Mapping[str, str]] = {
    # By distribution, where docstrings or signatures say "L2 penalty", or name Adam's or SGD's and say nothing.
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
    # Where they say "decoupled", "as AdamW", or point to "Decoupled Weight Decay Regularization".
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
    """What weight decay is expected to be; empty where the documentation does not say."""
    if any(options.get(key) for key in ("decoupled_weight_decay", "decouple_lr", "corrected_weight_decay")):
        return () if distribution != "torch" else DECOUPLED
    return next(
        (kinds for kinds, known in WEIGHT_DECAY.items() if name in known.get(distribution, "").split()),
        (),
    )
