"""All that lrdecay knows of an optimizer wrapper constructor, as one object."""

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
"""A model's own ``get_layer_depth``: from a parameter's name to its layer id and the number of layers."""


class ConstructorRules:
    """A constructor's formulas for one model. Defaults are those of a constructor that tells its numbers itself."""

    def provenance(self, tensor: Tensor) -> Provenance:
        """The numbers of a parameter that is put into a group.

        Raises:
            DecayError: they cannot be told.
        """
        raise DecayError("the constructor itself tells its numbers", where=tensor.name)

    def considered(self, tensor: Tensor, provenance: Provenance | None) -> tuple[RuleTrace, ...]:
        """Every rule that the constructor considers for such a parameter, in its order.

        ``provenance`` is what the map holds.

        Raises:
            DecayError: the rules have no place for it.
        """
        return ()

    def remarks(self, tensor: Tensor, provenance: Provenance) -> tuple[str, ...]:
        """What is odd about it, a sentence each."""
        return ()


class CustomKeys(msgspec.Struct, frozen=True, kw_only=True):
    """How a constructor reads ``custom_keys``.

    Of the keys that a name contains the longest counts, of equally long ones the first in the alphabet.
    """

    targets: tuple[Target, ...]
    """What a key changes."""
    need_weight_decay: bool = False
    """The constructor looks for no key where the config gives the optimizer no weight decay."""
    overruled_by: str = ""
    """The option with which a multiplier that fits counts although a key matches; empty where there is none."""
    shortest_counts: bool = False
    """Of the keys that a name contains the shortest counts instead, of equally short ones the last in the alphabet."""
    dot_before_own: bool = False
    """A parameter that the model itself registers, such as ``weight``, is searched as ``.weight``."""

    def searched_name(self, tensor: Tensor) -> str:
        """The string in which the constructor looks for keys."""
        return f".{tensor.own}" if self.dot_before_own and not tensor.path else tensor.seen


class ConstructorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What rules, explanations, suggestions and errors ask of a constructor.

    Defaults are those of a constructor that subclasses mmengine's and has no peculiarities.
    """

    known: ClassVar[bool] = True
    """Whether lrdecay has a file for it."""

    name: str
    """Class name, by which it is registered."""
    project: str
    """Whose it is, for messages: ``mmdet``."""
    package: str
    """The package that defines the class: another package's class of the same name is another constructor."""
    scope: str = ""
    """Registry scope that other scopes have to write in front of the name, and the package that registers it; empty
    for mmengine's own registry, which is searched from everywhere."""
    imports: tuple[str, ...] = ()
    """Modules that a config has to name in ``custom_imports``."""
    short: str = ""
    """What a narrow column calls it; empty for the name itself."""
    marks: tuple[str, ...] = ()
    """Parts of module and backbone names, in lower case, by which a copy of it is told from copies of its kin."""

    lr_from: Literal["layers", "custom_keys", "kinds", "optimizers", "unknown"]
    """What the lr of a group follows from: the depth of its parameters, keys in their names, their kind, or the
    optimizer that holds them."""
    options: tuple[str, ...] = ()
    """Options of ``paramwise_cfg`` that it reads."""
    options_are_keys: bool = False
    """The options of ``paramwise_cfg`` are what ``custom_keys`` is to others: parts of parameter names."""
    rate_option: str | None = None
    """Option with the factor from a layer to the one below it."""
    default_rate: float | None = None
    """That factor where the option is absent; None where it has to be given."""
    requires_options: bool = False
    """It refuses an empty ``paramwise_cfg``; the others make one group then, with the optimizer's own numbers."""
    makes_groups_without_options: bool = False
    """It makes the same kinds of groups where the config has no ``paramwise_cfg``."""
    num_layers: Literal["family", "own"] | None = None
    """How it counts the option ``num_layers``; None without such an option. ``family``: as :meth:`Family.fitting` does,
    so that another number than the fitting one is a mistake. ``own``: in a way that lrdecay does not know."""
    families: tuple[Family, ...] | None = None
    """The backbones whose layers it knows; None where it is not limited to classes that lrdecay can name."""
    asks_model: bool = False
    """Layer ids are what the model's ``get_layer_depth`` says, and may leave numbers out."""
    first_stage_is_a_layer: bool = False
    """All blocks of the first stage share a layer id, so that a backbone of one stage does not decay."""
    rest_is_head: bool = False
    """Names of the backbone that it does not know get the layer id of the head."""

    stem_id: int = 0
    """The lowest layer id that it means to give."""

    custom_keys: CustomKeys | None = None
    """How it reads ``custom_keys``; None where it does not."""
    multipliers: tuple[Multiplier, ...] = ()
    """The ``*_mult`` options, in its order. Of the lr's the last that fits counts, of the weight decay's the first."""
    exempt_names: tuple[str, ...] = ()
    """Names that it means to exempt from weight decay, and compares with the full names of parameters."""
    exempting: str = "give them weight decay 0 in the constructor"
    """How to exempt further parameters, for one without multipliers."""

    turns: Callable[[Mapping[str, Any], Sequence[str]], tuple[tuple[str, ...], ...]] | None = None
    """Sets of its optimizers that take turns, from ``optim_wrapper`` and their names; None where all step."""

    make_rules: Callable[[ConstructorInputs, Sequence[str], LayerDepth | None], ConstructorRules] | None = None
    """Its formulas for ``paramwise_cfg`` with options, from the inputs, all parameter names as the constructor sees
    them, and the model's own layer depths where the model is at hand. Raises DecayError where it refuses."""
    raise_cause: Callable[[ConstructorInputs, Sequence[TrainingParameter]], None] | None = None
    """Raises DecayError with the cause for which the constructor dies of an error that does not tell it."""

    @property
    def label(self) -> str:
        """``lrdecay's ClassName``."""
        return f"{self.project}'s {self.name}"

    @property
    def scoped_name(self) -> str:
        """The name as every config can write it: ``mmdet.ClassName``."""
        return f"{self.scope}.{self.name}" if self.scope else self.name

    @property
    def decays_layers(self) -> bool:
        """Whether the lr is meant to fall from the head to the stem. So it is of an unknown one: its groups tell."""
        return self.lr_from in ("layers", "unknown")

    @property
    def lr_place(self) -> str:
        """Where in a config the lr of single layers is decided."""
        return (
            "optim_wrapper.paramwise_cfg.custom_keys" if self.lr_from == "custom_keys" else "optim_wrapper.constructor"
        )

    @property
    def keys_set_lr(self) -> bool:
        """Whether ``lr_mult`` of a custom key may change an lr."""
        return self.custom_keys is not None and "lr" in self.custom_keys.targets

    @property
    def decay_options(self) -> tuple[str, ...]:
        """The options that set the decay together, in the order of :attr:`options`."""
        together = (self.rate_option, "num_layers", "decay_type")
        return tuple(option for option in self.options if self.rate_option and option in together)

    def is_switched_off(self, options: Mapping[str, Any]) -> bool:
        """Whether an empty ``paramwise_cfg``, without the rate that it needs, leaves no decay and no exemption."""
        return bool(self.rate_option) and self.default_rate is None and not self.requires_options and not options

    def serves(self, backbone: str | None) -> bool:
        """Whether it can tell the layers of a backbone of that class, as far as lrdecay knows."""
        return self.families is None or any(family.classes.match(backbone or "") for family in self.families)

    def never_reads(self, option: str) -> bool:
        """Whether it is certain that an option has no effect."""
        return not self.options_are_keys and option not in self.options

    def multipliers_set(self, options: Mapping[str, Any]) -> tuple[Multiplier, ...]:
        """The multipliers that ``options`` sets, with or without effect."""
        return tuple(known for known in self.multipliers if options.get(known.option) is not None)


class UnknownConstructor(ConstructorSpec, frozen=True, kw_only=True):
    """A constructor without a file here: little more is known than which options it was seen to read."""

    known: ClassVar[bool] = False

    @classmethod
    def seen(cls, name: str, options: Mapping[str, Any], reads: Sequence[str] | None) -> UnknownConstructor:
        """The spec from the class name, ``paramwise_cfg``, and the paths that were read of it, None if not observed."""
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
        """It may be one that reads ``custom_keys`` as mmengine's does."""
        return True

    def never_reads(self, option: str) -> bool:
        """What it would do with another value is not certain."""
        return False


_RATE_OPTIONS = ("decay_rate", "layer_decay_rate", "layer_decay", "lr_decay_rate", "layer_lr_decay", "lr_layer_decay")
"""What constructors call the factor from a layer to the one below it."""


class ConstructorInputs(msgspec.Struct, frozen=True):
    """What a constructor was given."""

    spec: ConstructorSpec
    options: Mapping[str, Any]
    """``paramwise_cfg``; empty if there is none."""
    base_lr: int | float | None
    """As the config gives it to the optimizer, None if it does not."""
    base_weight_decay: int | float | None
    """Likewise."""
    default_lr: float | None
    """What the optimizer takes for a group without an lr."""
    default_weight_decay: float | None
    """Likewise."""
    backbone: str | None
    """Class name of the model's backbone."""
    optimizer: Mapping[str, Any] = {}
    """The config's settings of the optimizer, its lr and weight decay too."""
    wrapper: Mapping[str, Any] = {}
    """``optim_wrapper``: the settings of several optimizers are in it by their names."""
    modules: Mapping[str, Module] = {}
    """Every module that registers parameters, by its path as the constructor sees it, in the model's order."""
    gpus: int = 1
    """On how many GPUs the training is started."""
