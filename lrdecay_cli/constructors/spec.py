"""The specification of an optimizer wrapper constructor: its properties and formulas, as far as lrdecay knows them."""

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
    """The formulas of a constructor for one model.

    The default methods are for a constructor that records its own formulas in the map.
    """

    def provenance(self, tensor: Tensor) -> Provenance:
        """Return the formulas for the numbers of a parameter in a group.

        Raises:
            DecayError: no formula is known for this parameter.
        """
        raise DecayError(
            "the constructor records its formulas in the group map; lrdecay does not compute them", where=tensor.name
        )

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        """Return every rule that the constructor considers for a parameter, in the constructor's order.

        ``provenance`` has the formulas that the map records for the parameter.

        Raises:
            DecayError: no rule covers the parameter.
        """
        return ()

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        """Return remarks on unusual facts about the parameter, one sentence each."""
        return ()


class CustomKeys(msgspec.Struct, frozen=True, kw_only=True):
    """How a constructor reads ``custom_keys``.

    If a parameter name contains several keys, the longest key applies. Of keys with the same length, the first in
    alphabetical order applies.
    """

    targets: tuple[Target, ...]
    """The values that a key can change."""
    need_weight_decay: bool = False
    """True if the constructor ignores keys unless the config sets a weight decay."""
    override_option: str = ""
    """The option that makes a matching multiplier override a matching key. Empty if there is none."""
    shortest_counts: bool = False
    """True if the shortest key applies instead, and of keys with the same length the last in alphabetical order."""
    dot_before_own: bool = False
    """True if the name of a parameter of the model itself is ``.weight`` instead of ``weight`` for the search."""

    def searched_name(self, tensor: Tensor) -> str:
        """Return the name of a parameter in which the constructor searches for custom keys.

        It starts with a dot if the model itself registers the parameter and :attr:`dot_before_own` is True.
        """
        return f".{tensor.own}" if self.dot_before_own and not tensor.path else tensor.seen


class ConstructorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The properties of an optimizer wrapper constructor, for rules, explanations, suggestions and errors.

    The defaults of the fields describe a subclass of mmengine's constructor that has none of the special properties.
    """

    known: ClassVar[bool] = True
    """True if lrdecay knows the constructor."""

    name: str
    """The class name, as registered."""
    project: str
    """The name of the project in messages: ``mmdet``."""
    package: str
    """The package that defines the class. A class with the same name in another package is another constructor."""
    scope: str = ""
    """Registry scope, which is also the name of the package that registers the class. A config of another scope must
    write it before the class name. Empty for mmengine's own registry, which all scopes search.
    """
    imports: tuple[str, ...] = ()
    """Modules that a config must list in ``custom_imports``."""
    short: str = ""
    """Short name for narrow columns. Empty to use the class name."""
    marks: tuple[str, ...] = ()
    """Lower-case words. If the name of the module or of the backbone contains one of them, a copied class is more
    likely a copy of this constructor than of a similar constructor.
    """

    lr_from: Literal["layers", "custom_keys", "kinds", "optimizers", "unknown"]
    """What determines the lr of a group: the depth of its parameters (``layers``), keys in their names, their kind, or
    the optimizer that has them.
    """
    options: tuple[str, ...] = ()
    """The options of ``paramwise_cfg`` that the constructor reads."""
    options_are_keys: bool = False
    """True if the keys of ``paramwise_cfg`` are parts of parameter names, as the keys of ``custom_keys`` are for
    others.
    """
    rate_option: str | None = None
    """The option with the decay rate, which is the factor between the lrs of neighbouring layers."""
    default_rate: float | None = None
    """The decay rate if the option is absent. None if the option is required."""
    requires_options: bool = False
    """True if the constructor rejects an empty ``paramwise_cfg``. Otherwise it then builds one group with the
    optimizer's own numbers.
    """
    makes_groups_without_options: bool = False
    """True if the constructor builds the same kinds of groups without ``paramwise_cfg``."""
    num_layers: Literal["family", "own"] | None = None
    """How the constructor counts ``num_layers``. ``family``: as :meth:`Family.fitting` does, so another number is a
    mistake. ``own``: in a way that lrdecay does not know. None: it has no such option.
    """
    families: tuple[Family, ...] | None = None
    """The backbone families that the constructor supports. None if it does not depend on the backbone's class."""
    asks_model: bool = False
    """True if the model's ``get_layer_depth`` determines the layer ids. The ids may then have gaps."""
    first_stage_is_a_layer: bool = False
    """True if all blocks of the first stage share a layer id. A backbone with one stage then has no decay."""
    rest_is_head: bool = False
    """True if unrecognised parameter names of the backbone get the head's layer id."""

    stem_id: int = 0
    """The lowest layer id: that of the stem."""

    custom_keys: CustomKeys | None = None
    """How the constructor reads ``custom_keys``. None if it ignores them."""
    multipliers: tuple[Multiplier, ...] = ()
    """The ``*_mult`` options that the constructor reads, in its order.

    If several match a parameter, the last one applies to the lr and the first one to the weight decay.
    """
    exempt_names: tuple[str, ...] = ()
    """Full parameter names that the constructor exempts from weight decay."""
    exempting: str = "set their weight decay to 0 in the constructor"
    """For a constructor without multipliers: the fix that exempts further parameters from weight decay."""

    turns: Callable[[Mapping[str, Any], Sequence[str]], tuple[tuple[str, ...], ...]] | None = None
    """Returns the sets of optimizers that step alternately, from ``optim_wrapper`` and the names of all optimizers.

    None if all optimizers step in every iteration.
    """

    make_rules: Callable[[ConstructorInputs, Sequence[str], LayerDepth | None], ConstructorRules] | None = None
    """Returns the formulas for one model with a non-empty ``paramwise_cfg``. Raises DecayError if the constructor
    rejects its inputs. Arguments: the inputs, all parameter names as the constructor gets them, and the model's
    ``get_layer_depth`` if available.
    """
    raise_cause: Callable[[ConstructorInputs, Sequence[TrainingParameter]], None] | None = None
    """Raises DecayError with the cause if the constructor's own error does not name the cause."""

    @property
    def label(self) -> str:
        """The constructor with its project: ``mmdet's ClassName``."""
        return f"{self.project}'s {self.name}"

    @property
    def scoped_name(self) -> str:
        """The class name with its scope, which works in every config: ``mmdet.ClassName``."""
        return f"{self.scope}.{self.name}" if self.scope else self.name

    @property
    def decays_layers(self) -> bool:
        """True if the constructor is made to lower the lr from the head to the stem.

        Also True for an unknown constructor, because it may do so too.
        """
        return self.lr_from in ("layers", "unknown")

    @property
    def lr_place(self) -> str:
        """The config option that determines the lr of single layers."""
        return (
            "optim_wrapper.paramwise_cfg.custom_keys" if self.lr_from == "custom_keys" else "optim_wrapper.constructor"
        )

    @property
    def keys_set_lr(self) -> bool:
        """True if the ``lr_mult`` of a custom key changes the lr."""
        return self.custom_keys is not None and "lr" in self.custom_keys.targets

    @property
    def decay_options(self) -> tuple[str, ...]:
        """The options of the layer decay, in the order of :attr:`options`."""
        together = (self.rate_option, "num_layers", "decay_type")
        return tuple(option for option in self.options if self.rate_option and option in together)

    def is_switched_off(self, options: Mapping[str, Any]) -> bool:
        """True if ``paramwise_cfg`` is empty, and the constructor has no default decay rate.

        The constructor then gives all layers the same lr, and exempts no parameter from weight decay.
        """
        return bool(self.rate_option) and self.default_rate is None and not self.requires_options and not options

    def serves(self, backbone: str | None) -> bool:
        """True if the constructor is known to recognise the layers of this backbone class."""
        return self.families is None or any(family.classes.match(backbone or "") for family in self.families)

    def never_reads(self, option: str) -> bool:
        """True if the constructor certainly ignores an option."""
        return not self.options_are_keys and option not in self.options

    def multipliers_set(self, options: Mapping[str, Any]) -> tuple[Multiplier, ...]:
        """Return the multipliers that ``options`` sets, with or without an effect."""
        return tuple(known for known in self.multipliers if options.get(known.option) is not None)


class UnknownConstructor(ConstructorSpec, frozen=True, kw_only=True):
    """The spec of a constructor that lrdecay does not know.

    Of its options, lrdecay knows only those that the constructor read while it built the optimizer.
    """

    known: ClassVar[bool] = False

    @classmethod
    def seen(cls, name: str, options: Mapping[str, Any], reads: Sequence[str] | None) -> UnknownConstructor:
        """Return the spec of an unknown constructor.

        Args:
            name: the class name.
            options: the ``paramwise_cfg``.
            reads: paths of the options that the constructor read; None if this was not recorded.
        """
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
        """Return True, because an unknown constructor may read ``custom_keys`` as mmengine's constructor does."""
        return True

    def never_reads(self, option: str) -> bool:
        """Return False, because an unknown constructor may read the option for other models."""
        return False


_RATE_OPTIONS = ("decay_rate", "layer_decay_rate", "layer_decay", "lr_decay_rate", "layer_lr_decay", "lr_layer_decay")
"""Option names of the decay rate in various constructors."""


class ConstructorInputs(msgspec.Struct, frozen=True):
    """Everything besides the parameters that a constructor's groups depend on: options, lr, weight decay, modules,
    GPUs.
    """

    spec: ConstructorSpec
    options: Mapping[str, Any]
    """The ``paramwise_cfg``. Empty if there is none."""
    base_lr: int | float | None
    """The lr of the optimizer in the config. None if the config does not set it."""
    base_weight_decay: int | float | None
    """The weight decay of the optimizer in the config. None if the config does not set it."""
    default_lr: float | None
    """The lr that the optimizer gives a group without its own lr."""
    default_weight_decay: float | None
    """The weight decay that the optimizer gives a group without its own weight decay."""
    backbone: str | None
    """Class name of the model's backbone."""
    optimizer: Mapping[str, Any] = {}
    """The optimizer's settings in the config, lr and weight decay included."""
    wrapper: Mapping[str, Any] = {}
    """The ``optim_wrapper`` of the config. If there are several optimizers, it contains their settings by name."""
    modules: Mapping[str, Module] = {}
    """Every module with parameters, by its path for the constructor, in the model's order."""
    gpus: int = 1
    """The number of GPUs of the training."""
