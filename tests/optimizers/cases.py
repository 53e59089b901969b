"""List every optimizer of the table of effects, with the options of its measurement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.metadata import version
from typing import Any

import torch

from lrdecay_cli.domain.optimizer_effects import OptimizerEffects
from lrdecay_cli.openmmlab.optimizer_effects.measure import measure
from lrdecay_cli.openmmlab.optimizer_effects.probe import undisturbed


@dataclass(frozen=True)
class Case:
    """One row.

    Attributes:
        distribution: distribution that contains the class.
        path: import path of the class.
        options: options besides the lr.
        lr: lr with which it is built.
    """

    distribution: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    lr: float = 1e-2

    @property
    def kind(self) -> type[torch.optim.Optimizer]:
        module, _, name = self.path.rpartition(".")
        return getattr(import_module(module), name)  # type: ignore[no-any-return]

    def measured(self) -> OptimizerEffects:
        with undisturbed():
            return measure(
                self.kind,
                lambda groups, lr: self.kind(groups, lr=lr, **self.options),
                self.lr,
                distribution=self.distribution,
                # A CPU build of torch is the same torch: 2.13.0+cpu.
                version=version(self.distribution).partition("+")[0],
                options=self.options,
            )


def _listed(distribution: str, module: str, names: str, **options: Any) -> list[Case]:
    return [Case(distribution, f"{module}.{name}", options) for name in names.split()]


def _torch() -> Iterator[Case]:
    for name, kind in sorted(vars(torch.optim).items()):
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer:
            yield Case("torch", f"torch.optim.{name}")
    yield from _listed("torch", "torch.optim", "Adam NAdam RAdam", decoupled_weight_decay=True)
    yield from _listed("torch", "torch.optim", "SGD RMSprop", momentum=0.9)


_BITSANDBYTES = "AdEMAMix AdEMAMix8bit Adagrad Adagrad8bit Adam Adam8bit AdamW AdamW8bit LAMB Lion Lion8bit RMSprop"
_TIMM = """
AdaBelief Adafactor AdafactorBigVision AdamP AdamWLegacy Adan Adopt LaProp Lamb Lars Lion MADGRAD Mars Muon NAdamLegacy
NAdamW NvNovoGrad RAdamLegacy RMSpropTF SGDP SGDW
"""
_PYTORCH_OPTIMIZER = """
A2Grad ADOPT APOLLO ASGD AccSGD AdEMAMix AdaBelief AdaBound AdaDelta AdaFactor AdaGC AdaMax AdaMod AdaNorm AdaPNM
AdaShift AdaSmooth AdaTAM Adai Adalite AdamC AdamG AdamP AdamS AdamWSN Adan AggMo Aida AliG Alice Amos Ano ApolloDQN
AvaGrad BCOS CAME Conda DAdaptAdaGrad DAdaptAdam DAdaptAdan DAdaptLion DAdaptSGD DiffGrad DualAdam EXAdam EmoFact
EmoLynx EmoNavi FAdam FOCUS FTRL Fira FlashAdamW Fromage GaLore Grams GrokFastAdamW Kate LARS LaProp Lamb Lion
MADGRAD MARS MSVAG Nero NovoGrad PAdam PID PNM Prodigy QHAdam QHM RACS RAdam Ranger SGDP SGDSaI SGDW SM3 SOAP SPAM
SPlus SRMM SWATS ScalableShampoo ScheduleFreeAdamW ScheduleFreeRAdam ScheduleFreeSGD Shampoo SignSGD SimplifiedAdEMAMix
StableAdamW StableSPAM TAM Tiger VSGD Yogi
"""
_TORCH_OPTIMIZER = """
A2GradExp A2GradInc A2GradUni AccSGD AdaBelief AdaBound AdaMod Adafactor AdamP AggMo Apollo DiffGrad LARS Lamb MADGRAD
NovoGrad PID QHAdam QHM RAdam Ranger RangerQH RangerVA SGDP SGDW SWATS Shampoo Yogi
"""

ALWAYS = {
    "torch": [*_torch()],
    "mmpretrain": [
        *_listed("mmpretrain", "mmpretrain.engine", "Adan Lamb LARS"),
        *_listed("mmpretrain", "mmpretrain.engine", "LARS", momentum=0.9),
    ],
    "timm": [
        *_listed("timm", "timm.optim", _TIMM),
        *_listed("timm", "timm.optim", "AdamWLegacy NAdamW LaProp Lion", caution=True),
        *_listed("timm", "timm.optim", "AdamWLegacy NAdamW LaProp Lion", corrected_weight_decay=True),
        *_listed("timm", "timm.optim", "SGDW", momentum=0.9),
        *_listed("timm", "timm.optim", "SGDW", momentum=0.9, corrected_weight_decay=True),
    ],
    "transformers": [
        *_listed("transformers", "transformers.optimization", "Adafactor AdamW"),
        *_listed("transformers", "transformers.optimization", "Adafactor", relative_step=False),
        *_listed("transformers", "transformers.optimization", "Adafactor", relative_step=False, scale_parameter=False),
    ],
}
"""By distribution: those in the tests' own environment."""

ON_REQUEST = {
    "adan-pytorch": _listed("adan-pytorch", "adan_pytorch", "Adan"),
    "bitsandbytes": [
        *_listed("bitsandbytes", "bitsandbytes.optim", _BITSANDBYTES),
        *_listed("bitsandbytes", "bitsandbytes.optim", "LARS SGD", momentum=0.9),
    ],
    "came-pytorch": _listed("came-pytorch", "came_pytorch", "CAME"),
    "dadaptation": [
        replace(case, lr=1.0)
        for case in _listed("dadaptation", "dadaptation", "DAdaptAdaGrad DAdaptAdam DAdaptAdan DAdaptLion DAdaptSGD")
    ],
    "heavyball": _listed("heavyball", "heavyball", "AdamC AdamW ADOPT LaProp SGD"),
    "lion-pytorch": [
        *_listed("lion-pytorch", "lion_pytorch", "Lion"),
        *_listed("lion-pytorch", "lion_pytorch", "Lion", decoupled_weight_decay=True),
    ],
    "madgrad": _listed("madgrad", "madgrad", "MADGRAD MirrorMADGRAD"),
    "muon-optimizer": _listed("muon-optimizer", "muon", "SingleDeviceMuon"),
    "prodigy-plus-schedule-free": [
        Case("prodigy-plus-schedule-free", "prodigyplus.ProdigyPlusScheduleFree", options, 1.0)
        for options in ({}, {"split_groups": False})
    ],
    "prodigyopt": [Case("prodigyopt", "prodigyopt.Prodigy", {}, 1.0)],
    "pytorch_optimizer": _listed("pytorch_optimizer", "pytorch_optimizer", _PYTORCH_OPTIMIZER),
    "schedulefree": _listed(
        "schedulefree",
        "schedulefree",
        "AdamWScheduleFree AdamWScheduleFreeClosure RAdamScheduleFree RAdamScheduleFreeClosure SGDScheduleFree"
        " SGDScheduleFreeClosure",
    ),
    "torch-optimi": [
        *_listed("torch-optimi", "optimi", "Adam AdamW Adan Lion RAdam Ranger SGD StableAdamW"),
        *_listed("torch-optimi", "optimi", "AdamW Lion StableAdamW", decouple_lr=True),
    ],
    "torch-optimizer": _listed("torch-optimizer", "torch_optimizer", _TORCH_OPTIMIZER),
    "torchao": _listed("torchao", "torchao.optim", "Adam4bit Adam8bit AdamFp8 AdamW4bit AdamW8bit AdamWFp8"),
}
"""By distribution: those of ``requirements.txt``, measured with ``pytest --optimizer-packages``.

Classes that draw random numbers, or that need more than an lr and an option, are omitted.
"""
