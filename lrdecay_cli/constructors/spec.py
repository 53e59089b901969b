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
"""A model's method ``get_layer_depth``: returns the layer id of a parameter name, and the number of layers."""


class ConstructorRules:
    """The formulas of a constructor for one model.

    The default methods are for a constructor that records its own formulas in the group map.
    """

    def provenance(self, tensor: Tensor) -> Provenance:
        """Return the formulas of a grouped parameter's layer id, lr scale, lr and weight decay.

        Raises:
            DecayError: no formula is known for this parameter.
        """
        raise DecayError(
            "the constructor records its formulas in the group map; lrdecay does not compute them", where=tensor.name
        )

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        """Return every rule that the constructor considers for a parameter, in the constructor's order.

        ``provenance`` contains the formulas that the group map records for the parameter.

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
    """The numbers that a custom key can change: lr, weight decay or both."""
    need_weight_decay: bool = False
    """True if the constructor reads custom keys only if the config sets a weight decay."""
    override_option: str = ""
    """The option that gives multipliers precedence over custom keys. Empty if the constructor has no such option."""
    shortest_counts: bool = False
    """True if the shortest key applies instead of the longest. Of keys with the same length, the last in alphabetical
    order then applies.
    """
    dot_before_own: bool = False
    """True if the constructor adds a leading dot to the name of a parameter that the model itself registers, for
    example ``.weight``, before it searches for custom keys in the name.
    """

    def searched_name(self, tensor: Tensor) -> str:
        """Return the form of a parameter's name that the constructor searches for custom keys.

        The name starts with a dot if the model itself registers the parameter and :attr:`dot_before_own` is True.
        """
        return f".{tensor.own}" if self.dot_before_own and not tensor.path else tensor.seen


class ConstructorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The properties of an optimizer wrapper constructor, for rules, explanations, suggestions and errors.

    A spec with only the default values describes a subclass of mmengine's constructor without special properties.
    """

    known: ClassVar[bool] = True
    """True if lrdecay knows the options and rules of the constructor."""

    name: str
    """The class name, as registered."""
    project: str
    """The name of the project in messages, for example ``mmdet``."""
    package: str
    """The package that defines the class. A class with the same name in another package is another constructor."""
    scope: str = ""
    """Registry scope, which is also the name of the package that registers the class, for example ``mmdet``.

    A config with another default scope must write ``mmdet.`` before the class name. The scope is empty for a class in
    mmengine's registry, because mmengine finds such a class from every scope.
    """
    imports: tuple[str, ...] = ()
    """Modules that a config must list in ``custom_imports``."""
    short: str = ""
    """Short name for narrow columns. Empty to use the class name."""
    marks: tuple[str, ...] = ()
    """Lower-case words that help to find out which constructor a user's class is a copy of.

    If the name of the user's module or backbone contains one of these words, lrdecay tries this constructor before
    similar ones.
    """

    lr_from: Literal["layers", "custom_keys", "kinds", "optimizers", "unknown"]
    """What determines the lr of a group.

    ``layers``: the depth of its parameters. ``custom_keys``: keys that occur in the names of its parameters. ``kinds``:
    the kind of its parameters, such as bias or norm weight. ``optimizers``: the optimizer that updates the group.
    """
    options: tuple[str, ...] = ()
    """The options of ``paramwise_cfg`` that the constructor reads."""
    options_are_keys: bool = False
    """True if the constructor reads the keys of ``paramwise_cfg`` as parts of parameter names. Other constructors read
    the keys of ``custom_keys`` like this.
    """
    rate_option: str | None = None
    """The option that sets the decay rate, which is the factor between the lrs of neighbouring layers."""
    default_rate: float | None = None
    """The decay rate if the config does not set :attr:`rate_option`. None if the constructor has no default."""
    requires_options: bool = False
    """True if the constructor rejects an empty ``paramwise_cfg``. False if the constructor accepts it and builds one
    group, with the lr and weight decay of the optimizer.
    """
    makes_groups_without_options: bool = False
    """True if the constructor applies its rules even if the config has no ``paramwise_cfg``."""
    num_layers: Literal["family", "own"] | None = None
    """Whether lrdecay knows the right value of the option ``num_layers``.

    ``family``: the right value is the result of :meth:`Family.fitting`. ``own``: the constructor counts layers
    differently, and lrdecay does not know the right value. None: the constructor has no such option.
    """
    families: tuple[Family, ...] | None = None
    """The backbone families that the constructor supports. None if it supports backbones of every class."""
    asks_model: bool = False
    """True if the model's ``get_layer_depth`` determines the layer ids. Some layer ids may then be unused."""
    first_stage_is_a_layer: bool = False
    """True if all blocks of the first stage share a layer id. A backbone with one stage then has no layer decay."""
    rest_is_head: bool = False
    """True if backbone parameters with unrecognised names get the head's layer id."""

    stem_id: int = 0
    """The layer id of the stem, which is the lowest layer id."""

    custom_keys: CustomKeys | None = None
    """How the constructor reads ``custom_keys``. None if it ignores them."""
    multipliers: tuple[Multiplier, ...] = ()
    """The ``*_mult`` options that the constructor reads, in the order in which the constructor tests them.

    If several lr multipliers match a parameter, the last applies. If several weight decay multipliers match, the first
    applies.
    """
    exempt_names: tuple[str, ...] = ()
    """Full parameter names that the constructor exempts from weight decay."""
    exempting: str = "set the weight decay of the parameters to 0 in the constructor"
    """For a constructor without multipliers: the text of a fix that exempts parameters from weight decay."""

    turns: Callable[[Mapping[str, Any], Sequence[str]], tuple[tuple[str, ...], ...]] | None = None
    """Function that returns the sets of optimizers that step alternately.

    Its arguments are ``optim_wrapper`` and the names of all optimizers. None if all optimizers step in every iteration.
    """

    make_rules: Callable[[ConstructorInputs, Sequence[str], LayerDepth | None], ConstructorRules] | None = None
    """Function that returns the formulas for one model.

    If ``paramwise_cfg`` is empty, it is called only if :attr:`makes_groups_without_options` is True.

    Its arguments are the inputs of the constructor, all parameter names as the constructor gets them, and the model's
    ``get_layer_depth`` if available. It raises DecayError if the constructor rejects the inputs.
    """
    raise_cause: Callable[[ConstructorInputs, Sequence[TrainingParameter]], None] | None = None
    """Function that raises DecayError with the cause of a failure, if the constructor's own error does not name it."""

    @property
    def label(self) -> str:
        """The name of the constructor with its project, for messages. For example, ``mmdet's ClassName``."""
        return f"{self.project}'s {self.name}"

    @property
    def scoped_name(self) -> str:
        """The class name with its scope, which works in every config. For example, ``mmdet.ClassName``."""
        return f"{self.scope}.{self.name}" if self.scope else self.name

    @property
    def decays_layers(self) -> bool:
        """True if the constructor lowers the lr layer by layer from the head to the stem.

        Also True for an unknown constructor, because an unknown constructor may lower the lr too.
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
        """True if the constructor recognises the layers of backbones of this class."""
        return self.families is None or any(family.classes.match(backbone or "") for family in self.families)

    def never_reads(self, option: str) -> bool:
        """True if the constructor certainly ignores an option."""
        return not self.options_are_keys and option not in self.options

    def multipliers_set(self, options: Mapping[str, Any]) -> tuple[Multiplier, ...]:
        """Return the multipliers that ``options`` sets, even those without an effect."""
        return tuple(known for known in self.multipliers if options.get(known.option) is not None)


class UnknownConstructor(ConstructorSpec, frozen=True, kw_only=True):
    """The spec of a constructor that lrdecay does not know.

    lrdecay knows only the options that the constructor read when it built the optimizer.
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
    """What the groups depend on besides the parameters: options, lr, weight decay, modules and number of GPUs."""

    spec: ConstructorSpec
    options: Mapping[str, Any]
    """The ``paramwise_cfg``. Empty if there is none."""
    base_lr: int | float | None
    """The lr of the optimizer in the config. None if the config does not set it."""
    base_weight_decay: int | float | None
    """The weight decay of the optimizer in the config. None if the config does not set it."""
    default_lr: float | None
    """The optimizer's default lr, for a group whose lr the constructor does not set."""
    default_weight_decay: float | None
    """The optimizer's default weight decay, for a group whose weight decay the constructor does not set."""
    backbone: str | None
    """Class name of the model's backbone."""
    optimizer: Mapping[str, Any] = {}
    """The optimizer's settings in the config, lr and weight decay included."""
    wrapper: Mapping[str, Any] = {}
    """The ``optim_wrapper`` of the config. If there are several optimizers, it contains their settings by name."""
    modules: Mapping[str, Module] = {}
    """The modules that have parameters, in the model's order. The key is the module's path without the prefix of a
    model wrapper, for example ``backbone.norm1``.
    """
    gpus: int = 1
    """The number of GPUs of the training."""
