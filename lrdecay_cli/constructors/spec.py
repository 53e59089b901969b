"""The specification of an optimizer wrapper constructor, with all properties that lrdecay knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import msgspec

from lrdecay_cli.constructors.multipliers import Multiplier, Target
from lrdecay_cli.decay.families import Family
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.decay.rules import TrainingParameter
from lrdecay_cli.domain.explanation import RuleTrace
from lrdecay_cli.domain.group_map import Tensor
from lrdecay_cli.domain.provenance import Provenance
from lrdecay_cli.domain.training import Module

LayerDepth = Callable[[str], tuple[int, int]]
"""A model's own ``get_layer_depth``: maps a parameter name to its layer id and the number of layers."""


class ConstructorRules:
    """A constructor's formulas for one model. The defaults suit a constructor that records its own numbers."""

    def provenance(self, tensor: Tensor) -> Provenance:
        """Return the formulas of a parameter in a group.

        Raises:
            DecayError: they are unknown.
        """
        raise DecayError("the constructor records its own numbers", where=tensor.name)

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        """Return every rule that the constructor considers for a parameter, in its order.

        ``provenance`` is the recorded one in the map.

        Raises:
            DecayError: no rule covers the parameter.
        """
        return ()

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        """Return unusual facts about the parameter, one sentence each."""
        return ()


class CustomKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The rules by which a constructor reads ``custom_keys``.

    Of the keys that a name contains, the longest counts; of equally long ones, the first in alphabetical order.
    """

    targets: tuple[Target, ...]
    """The values that a key changes."""
    need_weight_decay: bool = False
    """True if the constructor ignores keys when the config sets no weight decay."""
    override_option: str = ""
    """The option that lets a matching multiplier override a matching key; empty if there is none."""
    shortest_counts: bool = False
    """True if the shortest key counts instead, and of equally short ones the last in alphabetical order."""
    dot_before_own: bool = False
    """True if a parameter of the model itself, such as ``weight``, is searched as ``.weight``."""

    def searched_name(self, tensor: Tensor) -> str:
        """Return the string in which the constructor searches for keys."""
        return f".{tensor.own}" if self.dot_before_own and not tensor.path else tensor.seen


class ConstructorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The properties of a constructor for rules, explanations, suggestions and errors.

    The defaults suit a constructor that subclasses mmengine's and changes nothing else.
    """

    known: ClassVar[bool] = True
    """True if lrdecay has a file for it."""

    name: str
    """The registered class name."""
    project: str
    """The project, for messages: ``mmdet``."""
    package: str
    """The package that defines the class; a class of the same name in another package is another constructor."""
    scope: str = ""
    """Registry scope, also the package that registers it, which configs of other scopes must prefix; empty for
    mmengine's own registry, which every scope can search."""
    imports: tuple[str, ...] = ()
    """Modules that a config must list in ``custom_imports``."""
    short: str = ""
    """Its name in narrow columns; empty for the class name."""
    marks: tuple[str, ...] = ()
    """Lower-case parts of module and backbone names that distinguish copies of it from copies of similar
    constructors."""

    lr_from: Literal["layers", "custom_keys", "kinds", "optimizers", "unknown"]
    """What determines the lr of a group: the depth of its parameters, keys in their names, their kind, or the optimizer
    that holds them."""
    options: tuple[str, ...] = ()
    """The options of ``paramwise_cfg`` that it reads."""
    options_are_keys: bool = False
    """True if ``paramwise_cfg`` itself holds parts of parameter names, like ``custom_keys`` elsewhere."""
    rate_option: str | None = None
    """The option with the factor between neighbouring layers."""
    default_rate: float | None = None
    """That factor if the option is absent; None if the option is required."""
    requires_options: bool = False
    """True if it refuses an empty ``paramwise_cfg``; others then build one group with the optimizer's own numbers."""
    makes_groups_without_options: bool = False
    """True if it builds the same kinds of groups without ``paramwise_cfg``."""
    num_layers: Literal["family", "own"] | None = None
    """How it counts ``num_layers``; None without such an option. ``family``: like :meth:`Family.fitting`, so any other
    number is a mistake. ``own``: unknown to lrdecay."""
    families: tuple[Family, ...] | None = None
    """The backbone families whose layers it knows; None if it is not limited to known classes."""
    asks_model: bool = False
    """True if layer ids come from the model's ``get_layer_depth`` and may skip numbers."""
    first_stage_is_a_layer: bool = False
    """True if all blocks of the first stage share a layer id, so that a one-stage backbone does not decay."""
    rest_is_head: bool = False
    """True if unrecognised names of the backbone get the head's layer id."""

    stem_id: int = 0
    """The lowest regular layer id."""

    custom_keys: CustomKeys | None = None
    """How it reads ``custom_keys``; None if it does not."""
    multipliers: tuple[Multiplier, ...] = ()
    """The ``*_mult`` options, in its order. For the lr the last matching one counts, for weight decay the first."""
    exempt_names: tuple[str, ...] = ()
    """Names that it exempts from weight decay, compared with full parameter names."""
    exempting: str = "set their weight decay to 0 in the constructor"
    """The fix that exempts further parameters, for a constructor without multipliers."""

    turns: Callable[[Mapping[str, Any], Sequence[str]], tuple[tuple[str, ...], ...]] | None = None
    """Sets of its optimizers that take turns, from ``optim_wrapper`` and their names; None if all step every time."""

    make_rules: Callable[[ConstructorInputs, Sequence[str], LayerDepth | None], ConstructorRules] | None = None
    """Builds its formulas for a non-empty ``paramwise_cfg`` from the inputs, all parameter names as the constructor
    sees them, and the model's own layer depths if available. Raises DecayError if the constructor refuses the
    inputs."""
    raise_cause: Callable[[ConstructorInputs, Sequence[TrainingParameter]], None] | None = None
    """Raises DecayError with the cause if the constructor's own error does not name it."""

    @property
    def label(self) -> str:
        """``lrdecay's ClassName``."""
        return f"{self.project}'s {self.name}"

    @property
    def scoped_name(self) -> str:
        """The name that works in every config: ``mmdet.ClassName``."""
        return f"{self.scope}.{self.name}" if self.scope else self.name

    @property
    def decays_layers(self) -> bool:
        """True if the lr falls from the head to the stem by design. True for unknown constructors: their groups show
        it.
        """
        return self.lr_from in ("layers", "unknown")

    @property
    def lr_place(self) -> str:
        """The config option that decides the lr of single layers."""
        return (
            "optim_wrapper.paramwise_cfg.custom_keys" if self.lr_from == "custom_keys" else "optim_wrapper.constructor"
        )

    @property
    def keys_set_lr(self) -> bool:
        """True if ``lr_mult`` of a custom key changes the lr."""
        return self.custom_keys is not None and "lr" in self.custom_keys.targets

    @property
    def decay_options(self) -> tuple[str, ...]:
        """The options of the decay, in the order of :attr:`options`."""
        together = (self.rate_option, "num_layers", "decay_type")
        return tuple(option for option in self.options if self.rate_option and option in together)

    def is_switched_off(self, options: Mapping[str, Any]) -> bool:
        """True if an empty ``paramwise_cfg`` without the required rate disables decay and exemptions."""
        return bool(self.rate_option) and self.default_rate is None and not self.requires_options and not options

    def serves(self, backbone: str | None) -> bool:
        """True if the constructor is known to recognise the layers of a backbone of that class."""
        return self.families is None or any(family.classes.match(backbone or "") for family in self.families)

    def never_reads(self, option: str) -> bool:
        """True if an option certainly has no effect."""
        return not self.options_are_keys and option not in self.options

    def multipliers_set(self, options: Mapping[str, Any]) -> tuple[Multiplier, ...]:
        """Return the multipliers set in ``options``, with or without effect."""
        return tuple(known for known in self.multipliers if options.get(known.option) is not None)


class UnknownConstructor(ConstructorSpec, frozen=True, kw_only=True):
    """A constructor without a file here; lrdecay knows only which options it read."""

    known: ClassVar[bool] = False

    @classmethod
    def seen(cls, name: str, options: Mapping[str, Any], reads: Sequence[str] | None) -> UnknownConstructor:
        """Build the spec from the class name, ``paramwise_cfg``, and the option paths read; None if not observed."""
        read = [option for option in _RATE_OPTIONS if option in options and (reads is None or option in reads)]
        return cls(
            name=name,
            project="",
            package="",
            lr_from="unknown",
            options=tuple(options if reads is None else (option for option in options if option in reads)),
            rate_option=next(iter(read), None),
            num_layers="own",
        )

    @property
    def keys_set_lr(self) -> bool:
        """Return True: an unknown constructor may read ``custom_keys`` like mmengine's."""
        return True

    def never_reads(self, option: str) -> bool:
        """Return False: an unknown constructor may read an option in other cases."""
        return False


_RATE_OPTIONS = ("decay_rate", "layer_decay_rate", "layer_decay", "lr_decay_rate", "layer_lr_decay", "lr_layer_decay")
"""Names of the factor between neighbouring layers in various constructors."""


class ConstructorInputs(msgspec.Struct, frozen=True):
    """The inputs of a constructor."""

    spec: ConstructorSpec
    options: Mapping[str, Any]
    """``paramwise_cfg``; empty if there is none."""
    base_lr: int | float | None
    """The optimizer's lr in the config; None if absent."""
    base_weight_decay: int | float | None
    """The optimizer's weight decay in the config; None if absent."""
    default_lr: float | None
    """The optimizer's lr for a group without one."""
    default_weight_decay: float | None
    """The optimizer's weight decay for a group without one."""
    backbone: str | None
    """Class name of the model's backbone."""
    optimizer: Mapping[str, Any] = {}
    """The optimizer's settings in the config, lr and weight decay included."""
    wrapper: Mapping[str, Any] = {}
    """``optim_wrapper``; with several optimizers, it has their settings by name."""
    modules: Mapping[str, Module] = {}
    """Every module with parameters, by its path as the constructor sees it, in the model's order."""
    gpus: int = 1
    """The number of GPUs of the training."""
