"""What a rule is, and the decorator that registers one.

A rule is a function with :func:`rule` above it. Its docstring is the page that ``lrdecay rule CODE`` prints: the first
line says what is found, the paragraph behind it why that matters, the rest how it comes about and what helps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from inspect import cleandoc
from typing import Literal

from lrdecay_cli.constructors import DEFAULT, mmdet_layer_decay
from lrdecay_cli.domain.finding import Severity
from lrdecay_cli.domain.fix import Edit, Fix
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.rules.context.rule_context import RuleContext

BASE = f"""\
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ConvNeXt', arch=dict(depths=[1, 1, 9, 1], channels=[4, 8, 16, 32])),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=32))
optim_wrapper = dict(
    constructor='{mmdet_layer_decay.SPEC.scoped_name}',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(num_layers=6, decay_rate=0.7, decay_type='layer_wise'))
train_cfg = dict(by_epoch=True, max_epochs=12)
"""
"""The config that every rule's examples build on: a small real ConvNeXt classifier with MMDetection's decay."""

_CONSTRUCTOR = """\
from mmengine.optim import $DEFAULT
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module()"""

Scope = Literal["config", "project", "training"]
"""``project`` for a rule about what the project says, which looks at no config: it is run when the others have been,
once for the comments of each config and once for the settings file. ``training`` for a rule about what a dry run of the
training observed: it is run where there was one."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a rule found, once for each cause."""

    message: str
    """What is wrong, with its numbers, as a sentence without a full stop."""
    fix: str
    """What to do, with the value to set where there is one."""
    parameters: Iterable[str] = ()
    """The parameters that it is about, in any order."""
    option: str = ""
    """Path of the option in the config that it is about: ``optim_wrapper.paramwise_cfg.num_layers``."""
    severity: Severity | None = None
    """Where it is another than the rule's."""
    about: str = ""
    """What tells it from another fault of the same rule with the same option and parameters."""
    changed: str = ""
    """What changed since the baseline: the settings, with their values, or else what is told of the tensors."""
    edits: Sequence[Edit | Fix] = ()
    """The fix as edits of the config, in the form of one alternative, or of several; empty where it is none."""
    covers: tuple[str, ...] = ()
    """Codes of rules that would tell the same mistake again, and are silent for it."""

    def fixes(self) -> tuple[Fix, ...]:
        """The alternatives of :attr:`edits`."""
        edits = tuple(each for each in self.edits if isinstance(each, Edit))
        return (*([Fix(edits=edits)] if edits else []), *(each for each in self.edits if isinstance(each, Fix)))


@dataclass(frozen=True, slots=True)
class Example:
    """A config on which a test runs the rule; :data:`BASE` is its base.

    In the config and the plugin ``$DEFAULT`` stands for the class name of mmengine's default constructor, and
    ``$CONSTRUCTOR`` for what precedes a constructor's class: imports, and its decorator.
    """

    config: str
    """What it says beyond the base, as Python."""
    plugin: str = ""
    """A module named ``plugin`` beside the config, for a constructor or a model of its own."""
    program: str = ""
    """In place of a config, a program that has a ``model`` and an ``optimizer``, and may have ``schedulers``."""
    edit: Callable[[GroupMap], GroupMap] | None = None
    """What is done to the exported map afterwards, for what no constructor can do."""
    settings: str = ""
    """What the settings file says, for a rule about what a project says; TOML, as in a ``lrdecay.toml``."""
    baseline: str | None = None
    """What the config said beyond the base when its baseline was made."""

    def __post_init__(self) -> None:
        for field in ("config", "plugin"):
            text = getattr(self, field).replace("$CONSTRUCTOR", _CONSTRUCTOR)
            object.__setattr__(self, field, text.replace("$DEFAULT", DEFAULT.name))


def default_with(options: str, *, model: str = "", plugin: str = "") -> Example:
    """An example of mmengine's default constructor with these options of ``paramwise_cfg`` alone.

    Args:
        options: as they stand in a call of ``dict``.
        model: what the config says before.
        plugin: as in :class:`Example`.
    """
    head = f"{model}optim_wrapper = dict(constructor='$DEFAULT',\n    paramwise_cfg=dict(_delete_=True, "
    return Example(f"{head}{options}))", plugin)


def part_with(name: str, base: str, *attributes: str) -> str:
    """A plugin with a part of a model: ``name``, which is mmpretrain's ``base`` with further attributes."""
    head = f"from mmpretrain.models import {base}\nfrom mmpretrain.registry import MODELS\nfrom torch import nn\n"
    lines = "\n        ".join(("super().__init__(**settings)", *attributes))
    return f"""\
{head}
@MODELS.register_module(force=True)
class {name}({base}):
    def __init__(self, **settings):
        {lines}
"""


Check = Callable[[RuleContext], Iterator[Fault]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One known mistake."""

    code: str
    """``LRD`` and three digits, never used again for anything else."""
    name: str
    """For people: ``scale-above-one``."""
    severity: Severity
    check: Check
    documentation: str
    """The docstring of ``check``."""
    bad: Example
    """The rule fires."""
    good: Example
    """The same config, repaired: the rule is silent."""
    yields_to: tuple[str, ...] = ()
    """Codes of rules that tell the cause of what this one finds: where one of them finds something, this is silent."""
    scope: Scope = "config"

    @property
    def summary(self) -> str:
        """What is found, in one line."""
        return self.documentation.strip().partition("\n")[0]

    @property
    def why(self) -> str:
        """Why it matters: the first paragraph behind the summary, on one line, without marks of code."""
        _, _, body = cleandoc(self.documentation).partition("\n\n")
        return " ".join(body.partition("\n\n")[0].replace("``", "").split())


_REGISTERED: dict[str, Rule] = {}


def rule(
    code: str,
    name: str,
    *,
    severity: Severity,
    bad: Example,
    good: Example,
    yields_to: tuple[str, ...] = (),
    scope: Scope = "config",
) -> Callable[[Check], Check]:
    """Register the function below as the rule ``code``; the fields of :class:`Rule` say what is what.

    Raises:
        ValueError: another rule has this code or name.
    """

    def register(check: Check) -> Check:
        for other in _REGISTERED.values():
            if code == other.code or name == other.name:
                raise ValueError(
                    f"{code} {name} in {check.__module__}: {other.code} {other.name} is in {other.check.__module__}"
                )
        _REGISTERED[code] = Rule(code, name, severity, check, check.__doc__ or "", bad, good, yields_to, scope)
        return check

    return register


def discover(package: str, root: str) -> tuple[Rule, ...]:
    """Import every module in the folders of a package, and return the rules registered by then, by code.

    Args:
        package: its name.
        root: its folder.
    """
    with os.scandir(root) as entries:
        folders = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("__"))
    for folder in folders:
        for file in sorted(os.listdir(f"{root}/{folder}")):  # noqa: PTH208 - pathlib takes longer than the listing
            if file.endswith(".py") and not file.startswith("__"):
                import_module(f"{package}.{folder}.{file.removesuffix('.py')}")
    return tuple(_REGISTERED[code] for code in sorted(_REGISTERED))
