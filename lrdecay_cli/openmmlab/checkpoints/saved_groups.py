"""Load a checkpoint, and read the parameter groups of its optimizer.

No code in the file is executed, because a checkpoint may be hostile. The data of tensors stays on disk.

Sources for the format: torch ``Optimizer.state_dict`` (``param_groups``, ``state``), mmengine 0.10.7
``OptimWrapper.state_dict`` (``base_param_settings``), ``AmpOptimWrapper`` (also ``loss_scaler``), ``OptimWrapperDict``
(one such dict per optimizer name).

mmengine restores the state of an optimizer by position: the first saved state goes to the first parameter, and so on.
It raises if the numbers of groups or parameters differ. Source: torch, ``Optimizer.load_state_dict``. With several
optimizers, mmengine's ``OptimWrapperDict`` finds each optimizer by its name.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap, ParameterGroup
from lrdecay_cli.files.checkpoint_archive import STUBBED, read_pickle
from lrdecay_cli.openmmlab.config_values import number, plain
from lrdecay_cli.openmmlab.reading import common, precisions_of
from lrdecay_cli.text.counting import count

Shape = tuple[int, ...]

# Older versions may run code in a hostile file in spite of weights_only: CVE-2025-32434, CVE-2026-24747.
_SAFE_TORCH = (2, 10)
_FORMATS = {"f8": "d", "f4": "f", "i8": "q", "i4": "i", "u8": "Q", "u4": "I"}

# Keys of optimizer state with the parameter's own shape.
_SHAPED_LIKE_IT = ("exp_avg", "momentum_buffer", "square_avg", "sum")
_LONGEST = 32
_NO_OPTIMIZER = "give a checkpoint that a training saved (epoch_3.pth); published weights contain no optimizer"


class Inert:
    """Replacement for a class or function in a checkpoint. It accepts any arguments and does nothing."""

    def __init__(self, *_arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class InertDtype(Inert):
    """Replacement for ``numpy.dtype``. It stores the type code, which :func:`numpy_number` needs."""

    def __init__(self, code: object = None, *_arguments: object) -> None:
        self.code = code


def numpy_number(dtype: object = None, raw: object = None) -> float | int | Inert:
    """Return the number in the little-endian bytes ``raw``. Replaces ``numpy.core.multiarray.scalar``."""
    form = _FORMATS.get(str(getattr(dtype, "code", None)))
    if form and isinstance(raw, bytes) and len(raw) == struct.calcsize(f"<{form}"):
        number: float | int = struct.unpack(f"<{form}", raw)[0]
        return number
    return Inert()


_INERT: dict[str, Any] = {"dtype": InertDtype, "scalar": numpy_number}
"""Replacements of classes and functions, by the last part of the qualified name: ``dtype`` is ``numpy.dtype``.

:class:`Inert` replaces all other classes and functions.
"""


def load_checkpoint(path: str) -> tuple[Mapping[str, Any], bytes]:
    """Return two values: the loaded dict of a checkpoint, and the bytes of the pickle in the file.

    Tensors are memory-mapped, so their data is not read. Uses ``torch.load(weights_only=True, mmap=True)``. The
    histories in mmengine's message hub become objects that do nothing, and numpy scalars become numbers.

    Raises:
        LrdecayError: :func:`files.checkpoint_archive.read_pickle` or torch rejects the file, or the installed torch
            cannot load it safely.
    """
    pickled = read_pickle(path)
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < _SAFE_TORCH:
        problem = "may run code of a hostile checkpoint in spite of weights_only (CVE-2026-24747)"
        fix = 'read the checkpoint with torch 2.10 or newer: pip install "lrdecay-cli[stack]"'
        raise LrdecayError(f"torch {torch.__version__} {problem}", where=path, fix=fix)
    try:
        # Two zip readers may see two different archives in one file.
        if torch.PyTorchFileReader(path).get_record("data.pkl") != pickled:
            raise ValueError("the zip file has two tables of contents")
        inert = [(_INERT.get(name.rpartition(".")[2], Inert), name) for name in STUBBED]
        with warnings.catch_warnings(), torch.serialization.safe_globals(inert):
            warnings.simplefilter("ignore")
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        # torch's problem, without its advice to load the file unsafely.
        lines = [line.strip() for line in str(error).splitlines() if line.strip() and "documentation" not in line]
        reason = "".join(c if c.isprintable() else "?" for c in lines[-1][:200]) if lines else "no message"
        raise LrdecayError(f"is not a valid checkpoint ({type(error).__name__}: {reason})", where=path) from error
    if not isinstance(loaded, Mapping):
        raise LrdecayError(f"contains a {type(loaded).__name__}, not the dict of a checkpoint", where=path)
    return loaded, pickled


@dataclass(frozen=True)
class SavedGroup:
    """A parameter group in a checkpoint: an entry of the saved ``param_groups``."""

    name: str
    """Name of the group, as in the config's group map. With several optimizers, it starts with the optimizer's name."""
    optimizer: str
    """The optimizer's name; empty for a single optimizer."""
    options: Mapping[str, Any]
    """All entries of the group except the tensors, as plain values."""
    precisions: Mapping[str, str]
    """Precision of each option whose value is less precise than a Python float. Keys are the option names."""
    names: tuple[str, ...] | None
    """Names of the group's parameters; None if the constructor saved no names."""
    shapes: tuple[Shape | None, ...]
    """Shape of each parameter, from its optimizer state; None for a parameter without state."""
    base_lr: float | None
    """The optimizer's base lr, without lr scale and scheduler, as mmengine saved it."""
    base_weight_decay: float | None

    @property
    def first_lr(self) -> float | None:
        """Return the lr at the start of training, before the schedule; None if unknown."""
        initial = self.options.get("initial_lr")
        return number(self.options.get("lr") if initial is None else initial)


def saved_groups(checkpoint: Mapping[str, Any], path: str) -> list[SavedGroup]:
    """Return the groups of all optimizers in a checkpoint, in order.

    Raises:
        LrdecayError: there is no optimizer, or its groups do not have torch's format.
    """
    optimizer = checkpoint.get("optimizer")
    if not isinstance(optimizer, Mapping) or not optimizer:
        raise LrdecayError("contains no optimizer", where=path, fix=_NO_OPTIMIZER)
    if "param_groups" in optimizer:
        several: dict[str, Any] = {"": optimizer}
    else:
        several = {f"{name}.": own for name, own in optimizer.items()}
    found = []
    for prefix, own in several.items():
        groups = own.get("param_groups") if isinstance(own, Mapping) else None
        if not isinstance(groups, list) or not groups:
            raise LrdecayError(f"optimizer {prefix!r} has no param_groups", where=path, fix=_NO_OPTIMIZER)
        for index, group in enumerate(groups):
            place = f"param_groups[{index}] of optimizer {prefix!r}" if prefix else f"param_groups[{index}]"
            try:
                found.append(_group(group, own, prefix, index))
            except (TypeError, ValueError, OverflowError) as error:
                raise LrdecayError(f"{place} does not have torch's format: {error}", where=path) from error
    return found


def _group(group: Any, optimizer: Mapping[str, Any], prefix: str, index: int) -> SavedGroup:
    if not isinstance(group, Mapping) or not isinstance(group.get("params"), list):
        raise TypeError("the group has no list 'params'")
    state = optimizer.get("state")
    base = optimizer.get("base_param_settings")
    base = base if isinstance(base, Mapping) else {}
    options = {str(key): _short(value) for key, value in group.items() if key != "params"}
    own_name = options.get("group_name")
    saved = SavedGroup(
        optimizer=prefix.removesuffix("."),
        name=f"{prefix}{own_name if isinstance(own_name, str) and own_name else f'group_{index}'}",
        options=options,
        precisions=precisions_of(group),
        names=_names(group),
        shapes=tuple(_shape(state, key) for key in group["params"]),
        base_lr=number(base.get("initial_lr", base.get("lr"))),
        base_weight_decay=number(base.get("weight_decay")),
    )
    for key in ("lr", "weight_decay", "lr_scale", "initial_lr"):
        number(options.get(key))
    return saved


def _names(group: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the names of a group's parameters; None if the constructor saved no names.

    mmdet's layer decay constructor and torch save the names as ``param_names``, mmpretrain's as ``param_name``.
    """
    recorded = group.get("param_names")
    if recorded is None and isinstance(group.get("param_name"), str):
        recorded = [group["param_name"]]
    if not isinstance(recorded, (list, tuple)) or not all(isinstance(name, str) for name in recorded):
        return None
    return tuple(recorded) if len(recorded) == len(group["params"]) else None


def _shape(state: Any, key: Any) -> Shape | None:
    own = state.get(key) if isinstance(state, Mapping) and isinstance(key, (int, str)) else None
    if isinstance(own, Mapping):
        for name in _SHAPED_LIKE_IT:
            if isinstance(own.get(name), torch.Tensor):
                return tuple(own[name].shape)
    return None


def _short(value: Any) -> Any:
    """Return a value of a group as plain data. A nested or very long list, which could need too much memory,
    is replaced by the name of its type.
    """
    if isinstance(value, (list, tuple)):
        simple = len(value) <= _LONGEST and not any(isinstance(item, (list, tuple, set, Mapping)) for item in value)
        return plain(value) if simple else type(value).__name__
    return type(value).__name__ if isinstance(value, (Mapping, set, frozenset)) else plain(value)


def saved_shapes(checkpoint: Mapping[str, Any]) -> dict[str, Shape]:
    """Return the shape of every parameter and buffer of the saved model, by name."""
    model = checkpoint.get("state_dict", checkpoint.get("model"))
    items: Iterator[tuple[Any, Any]] = iter(model.items() if isinstance(model, Mapping) else ())
    return {name: tuple(it.shape) for name, it in items if isinstance(name, str) and isinstance(it, torch.Tensor)}


class Progress(NamedTuple):
    """The position in a training at which a checkpoint was saved."""

    iteration: int
    """The first iteration after resuming from the checkpoint."""
    iterations_per_epoch: int | None


def progress_of(path: str) -> Progress | None:
    """Return the position in the training at which a checkpoint was saved; None if this position is not recorded.

    Source: mmengine 0.10.7, ``Runner.save_checkpoint`` (``meta``) and ``RuntimeInfoHook.before_train`` (message hub).

    Raises:
        LrdecayError: :func:`load_checkpoint` fails.
    """
    loaded, _ = load_checkpoint(path)

    def whole(value: Any, name: str) -> int | None:
        found = value.get(name) if isinstance(value, Mapping) else None
        return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**53 else None

    hub = loaded.get("message_hub")
    info = hub.get("runtime_info") if isinstance(hub, Mapping) else None
    iteration, epochs, iterations = (
        whole(loaded.get("meta"), "iter"),
        whole(info, "max_epochs"),
        whole(info, "max_iters"),
    )
    length = iterations // epochs if epochs and iterations and iterations % epochs == 0 else None
    return None if iteration is None else Progress(iteration, length)


def base_of(groups: Sequence[SavedGroup]) -> float | None:
    """Return the base lr of an optimizer; None if its groups give different values.

    No lr scale and no scheduler has changed this lr. The first available value in this list is used:

    1. the lr of the groups with ``lr_scale`` 1;
    2. the lr of each other group, divided by its ``lr_scale``;
    3. the base lr that mmengine saved;
    4. the lr of the group, if there is only one.
    """
    scaled = [
        (scale, group.first_lr)
        for group in groups
        if (scale := number(group.options.get("lr_scale"))) and group.first_lr is not None
    ]
    if any(scale == 1 for scale, _ in scaled):
        return common(lr for scale, lr in scaled if scale == 1)
    if scaled:
        return common(float(f"{lr / scale:.12g}") for scale, lr in scaled)
    if any(group.base_lr is not None for group in groups):
        return common(group.base_lr for group in groups)
    return groups[0].first_lr if len(groups) == 1 else None


def counterparts(saved: Sequence[SavedGroup], config: GroupMap) -> list[ParameterGroup]:
    """Return the config's groups that correspond to the saved groups, in the same order.

    Groups of an optimizer that the checkpoint lacks are omitted.
    """
    optimizers = dict.fromkeys(group.optimizer for group in saved)
    return [group for optimizer in optimizers for group in config.groups if optimizer in ("", group.optimizer)]


def misfit(saved: Sequence[SavedGroup], shapes: Mapping[str, Shape], config: GroupMap) -> str | None:
    """Return the first difference in groups or shapes between a checkpoint and a config; None if nothing differs."""
    expected = counterparts(saved, config)
    if not len(saved) == len(config.groups) == len(expected):
        named = sorted({group.optimizer for group in saved} - {""})
        of = f" of the optimizers {', '.join(map(repr, named))}" if named else ""
        return f"{count(len(saved), 'group')}{of} in the checkpoint, {len(config.groups)} in the config"
    for index, (group, members) in enumerate(zip(saved, expected, strict=True)):
        if len(group.shapes) != len(members.parameters):
            tensors = count(len(group.shapes), "tensor")
            return f"group {index} has {tensors} in the checkpoint, {len(members.parameters)} in the config"
        for position, parameter in enumerate(members.parameters):
            recorded = group.names[position] if group.names else parameter.name
            if recorded != parameter.name:
                return f"group {index} contains {recorded!r}, but the config has {parameter.name!r}"
            for what, shape in (("model", shapes.get(parameter.name)), ("optimizer", group.shapes[position])):
                if shape is not None and shape != parameter.shape:
                    wanted = f"{_product(parameter.shape)} in the config"
                    return f"{parameter.name!r} is {_product(shape)} in the checkpoint's {what}, {wanted}"
            if shapes and parameter.name not in shapes:
                return f"the checkpoint's model has no parameter {parameter.name!r}"
    return None


def _product(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "scalar"
