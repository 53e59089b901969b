"""The definition of a rule, and the decorator that registers one.

A rule is a function decorated with :func:`rule`. Its docstring is the page that ``lrdecay rule CODE`` prints: the first
line states the finding, the next paragraph why it matters, the rest its causes and fixes.
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
"""The base config of all examples: a small real ConvNeXt classifier with MMDetection's layer decay."""

_CONSTRUCTOR = """\
from mmengine.optim import $DEFAULT
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module()"""

Scope = Literal["config", "project", "training"]
"""``project``: checks the project's policy and no config; runs after the others, once for the comments of each config
and once for the settings file. ``training``: checks a dry run; runs only if there is one."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One cause that a rule found."""

    message: str
    """The problem with its numbers, as a sentence without a full stop."""
    fix: str
    """The instruction, with the value to set if there is one."""
    parameters: Iterable[str] = ()
    """The affected parameters, in any order."""
    option: str = ""
    """Path of the affected option in the config: ``optim_wrapper.paramwise_cfg.num_layers``."""
    severity: Severity | None = None
    """Overrides the rule's severity."""
    about: str = ""
    """Distinguishes faults of the same rule, option and parameters."""
    changed: str = ""
    """The changes since the baseline: settings with their values, else a summary of the tensors."""
    edits: Sequence[Edit | Fix] = ()
    """The fix as edits of the config: edits of one alternative, or several alternatives; empty if no edit fixes it."""
    covers: tuple[str, ...] = ()
    """Codes of rules that would report the same mistake; they stay silent."""

    def fixes(self) -> tuple[Fix, ...]:
        """Return the alternatives in :attr:`edits`."""
        edits = tuple(each for each in self.edits if isinstance(each, Edit))
        return (*([Fix(edits=edits)] if edits else []), *(each for each in self.edits if isinstance(each, Fix)))


@dataclass(frozen=True, slots=True)
class Example:
    """A config on which a test runs the rule; :data:`BASE` is its base.

    In the config and the plugin, ``$DEFAULT`` is replaced by the class name of mmengine's default constructor, and
    ``$CONSTRUCTOR`` by the imports and decorator of a constructor class.
    """

    config: str
    """The settings beyond the base, as Python."""
    plugin: str = ""
    """A module ``plugin`` next to the config, with a custom constructor or model."""
    program: str = ""
    """A program with a ``model``, an ``optimizer`` and optionally ``schedulers``, instead of a config."""
    edit: Callable[[GroupMap], GroupMap] | None = None
    """A change of the exported map, for mistakes that no constructor makes."""
    settings: str = ""
    """The settings file, for a rule about the project's policy; TOML, as in a ``lrdecay.toml``."""
    baseline: str | None = None
    """The settings beyond the base at the time of its baseline."""

    def __post_init__(self) -> None:
        for field in ("config", "plugin"):
            text = getattr(self, field).replace("$CONSTRUCTOR", _CONSTRUCTOR)
            object.__setattr__(self, field, text.replace("$DEFAULT", DEFAULT.name))


def default_with(options: str, *, model: str = "", plugin: str = "") -> Example:
    """Return an example of mmengine's default constructor with only these options of ``paramwise_cfg``.

    Args:
        options: keyword arguments of ``dict``, as text.
        model: config text that precedes them.
        plugin: see :class:`Example`.
    """
    head = f"{model}optim_wrapper = dict(constructor='$DEFAULT',\n    paramwise_cfg=dict(_delete_=True, "
    return Example(f"{head}{options}))", plugin)


def part_with(name: str, base: str, *attributes: str) -> str:
    """Return a plugin with a module ``name``: mmpretrain's ``base`` with further attributes."""
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
    """``LRD`` and three digits; never reused."""
    name: str
    """Name for people: ``scale-above-one``."""
    severity: Severity
    check: Check
    documentation: str
    """The docstring of ``check``."""
    bad: Example
    """The rule must fire."""
    good: Example
    """The same config, fixed: the rule must be silent."""
    yields_to: tuple[str, ...] = ()
    """Codes of rules that report the cause of this finding; if one of them fires, this rule is silent."""
    scope: Scope = "config"

    @property
    def summary(self) -> str:
        """The finding in one line."""
        return self.documentation.strip().partition("\n")[0]

    @property
    def why(self) -> str:
        """Why it matters: the second paragraph of the docstring, on one line, without code marks."""
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
    """Register the decorated function as the rule ``code``; see :class:`Rule` for the arguments.

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
    """Import every module in the folders of a package and return the registered rules by code.

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
