"""The definition of a rule, and the decorator that registers it.

A rule is a function decorated with :func:`rule`. Its docstring is the page that ``lrdecay rule CODE`` prints: the first
line describes the mistake, the next paragraph its effect, and the other paragraphs its causes and fixes.
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
"""What a rule checks.

``config``: the map of each config. ``project``: the suppression comments in each config, and the settings file; these
rules run after all other rules. ``training``: the dry run of a config, if there is one."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake that a rule found, with its fix."""

    message: str
    """The problem, with the numbers of this config, as a sentence without a full stop."""
    fix: str
    """An instruction that fixes the problem, with the value to set if there is one."""
    parameters: Iterable[str] = ()
    """The affected parameters, in any order."""
    option: str = ""
    """Path of the affected option in the config: ``optim_wrapper.paramwise_cfg.num_layers``."""
    severity: Severity | None = None
    """Severity of this fault, one of :attr:`Rule.also`; None for the rule's severity."""
    about: str = ""
    """Text that distinguishes two faults of the same rule with the same option and parameters."""
    changed: str = ""
    """What changed since the baseline: the settings with old and new values, or a summary of the changed tensors."""
    edits: Sequence[Edit | Fix] = ()
    """The fix as edits of the config; empty if no edit fixes the problem.

    A list of :class:`Edit` is one fix. Each :class:`Fix` is an alternative."""
    covers: tuple[str, ...] = ()
    """Codes of other rules that would report the same mistake. The findings of these rules are dropped."""

    def fixes(self) -> tuple[Fix, ...]:
        """Return the alternative fixes in :attr:`edits`, of which the user chooses one.

        All items of type :class:`Edit` together are one fix. Each item of type :class:`Fix` is another fix.
        """
        edits = tuple(each for each in self.edits if isinstance(each, Edit))
        return (*([Fix(edits=edits)] if edits else []), *(each for each in self.edits if isinstance(each, Fix)))


@dataclass(frozen=True, slots=True)
class Example:
    """An example on which a test runs the rule: a config based on :data:`BASE`, or a program.

    In the config and the plugin, ``$DEFAULT`` is replaced by the class name of mmengine's default constructor, and
    ``$CONSTRUCTOR`` by the imports and the decorator of a constructor class.
    """

    config: str
    """Python code of the settings that this example adds to :data:`BASE`."""
    plugin: str = ""
    """Source of a module ``plugin`` next to the config, with a custom constructor or model."""
    program: str = ""
    """Instead of a config: a program that creates a ``model``, an ``optimizer`` and optionally ``schedulers``."""
    edit: Callable[[GroupMap], GroupMap] | None = None
    """A function that changes the exported map, for mistakes that no constructor makes."""
    settings: str = ""
    """The text of ``lrdecay.toml``, for rules about the project's settings."""
    baseline: str | None = None
    """The text of ``config`` at the time when the baseline was written; None if the example has no baseline."""

    def __post_init__(self) -> None:
        for field in ("config", "plugin"):
            text = getattr(self, field).replace("$CONSTRUCTOR", _CONSTRUCTOR)
            object.__setattr__(self, field, text.replace("$DEFAULT", DEFAULT.name))


def default_with(options: str, *, model: str = "", plugin: str = "") -> Example:
    """Return an example with mmengine's default constructor and only these options of ``paramwise_cfg``.

    Args:
        options: the options as keyword arguments of ``dict``, as text.
        model: config text before the options.
        plugin: see :class:`Example`.
    """
    head = f"{model}optim_wrapper = dict(constructor='$DEFAULT',\n    paramwise_cfg=dict(_delete_=True, "
    return Example(f"{head}{options}))", plugin)


def part_with(name: str, base: str, *attributes: str) -> str:
    """Return the source of a plugin that registers the model class ``name``, a subclass of mmpretrain's ``base``.

    ``attributes`` are lines of the class's ``__init__``, such as ``self.extra = nn.Linear(4, 4)``.
    """
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
    """A check for one known mistake."""

    code: str
    """``LRD`` and three digits. A code is never used for another rule."""
    name: str
    """The readable name of the rule: for example ``scale-above-one``."""
    severity: Severity
    """The severity of most findings."""
    also: tuple[Severity, ...]
    """Severities of other findings, from the highest to the lowest."""
    check: Check
    documentation: str
    """The docstring of ``check``."""
    bad: Example
    """An example on which the rule must fire."""
    good: Example
    """The same example with the mistake fixed. The rule must be silent."""
    yields_to: tuple[str, ...] = ()
    """Codes of rules that report the cause of this mistake. If one of them fires, this rule is silent."""
    scope: Scope = "config"

    @property
    def summary(self) -> str:
        """The mistake in one line."""
        return self.documentation.strip().partition("\n")[0]

    @property
    def why(self) -> str:
        """The effect of the mistake: the second paragraph of the rule's docstring, as one line without backticks."""
        _, _, body = cleandoc(self.documentation).partition("\n\n")
        return " ".join(body.partition("\n\n")[0].replace("``", "").split())


_REGISTERED: dict[str, Rule] = {}


def rule(
    code: str,
    name: str,
    *,
    severity: Severity,
    also: tuple[Severity, ...] = (),
    bad: Example,
    good: Example,
    yields_to: tuple[str, ...] = (),
    scope: Scope = "config",
) -> Callable[[Check], Check]:
    """Return a decorator that registers a function as the rule ``code``; see :class:`Rule` for the arguments.

    Raises:
        ValueError: another rule has this code or name.
    """

    def register(check: Check) -> Check:
        for other in _REGISTERED.values():
            if code == other.code or name == other.name:
                raise ValueError(
                    f"{code} {name} in {check.__module__}: {other.code} {other.name} is in {other.check.__module__}"
                )
        _REGISTERED[code] = Rule(code, name, severity, also, check, check.__doc__ or "", bad, good, yields_to, scope)
        return check

    return register


def discover(package: str, root: str) -> tuple[Rule, ...]:
    """Import every module in the subfolders of a package. Return the registered rules, sorted by code.

    Args:
        package: import name of the package.
        root: folder of the package.
    """
    with os.scandir(root) as entries:
        folders = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("__"))
    for folder in folders:
        for file in sorted(os.listdir(f"{root}/{folder}")):  # noqa: PTH208 - pathlib takes longer than the listing
            if file.endswith(".py") and not file.startswith("__"):
                import_module(f"{package}.{folder}.{file.removesuffix('.py')}")
    return tuple(_REGISTERED[code] for code in sorted(_REGISTERED))
