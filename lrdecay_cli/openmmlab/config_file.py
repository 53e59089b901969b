"""Load a training config as OpenMMLab's training script does (``mmdet/tools/train.py``), and read its source text.

The text shows which options a config inherits from its bases. It also shows if a top-level name is a helper variable or
a misplaced option.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from argparse import ArgumentError, ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict, DictAction

from lrdecay_cli.cache import probed
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.overrides import TypedOverride
from lrdecay_cli.files.config_path import config_places, find_config
from lrdecay_cli.openmmlab.config_values import plain
from lrdecay_cli.openmmlab.failures.translate import LOADING, translate_errors
from lrdecay_cli.openmmlab.zoo_lookups import remembered_zoos

_DEEPEST = 20
"""Maximum number of levels of bases. The limit ends a search in bases that inherit from each other."""
_FEW_BITS = 2000
"""Python can write an integer of at most this many bits as text, whatever limit on digits the user has set."""


def load_config(given: str, overrides: dict[str, Any]) -> Config:
    """Load a config with its bases and custom imports, then apply ``--cfg-options``.

    The order is that of ``tools/train.py``. The working directory becomes the last entry of ``sys.path``, so that the
    config can import modules from it, as in a training that is started in the project's root. These modules do not hide
    installed packages.
    """
    path = find_config(given)
    for place in config_places(given):
        probed(str(place))
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    with translate_errors(LOADING, given), remembered_zoos():
        config = Config.fromfile(str(path))
    if overrides:
        with translate_errors(LOADING, f"{given}: --cfg-options"):
            config.merge_from_dict(overrides)
    _refuse_long_integers(config._cfg_dict, given)
    return config


def _refuse_long_integers(config: Any, where: str) -> None:
    """Raise LrdecayError for an integer with too many digits: mmengine would fail when it logs the config."""
    entered = set()
    pending: list[tuple[tuple[str, ...], Any]] = [((), config)]
    while pending:
        place, value = pending.pop()
        if isinstance(value, int):
            if value.bit_length() > _FEW_BITS and _is_long(value):
                raise LrdecayError(
                    "the integer has more digits than Python can write",
                    where=": ".join(filter(None, (where, ".".join(place)))),
                    fix="use a smaller integer",
                    final=True,
                )
        elif isinstance(value, (dict, list, tuple, set, frozenset)) and id(value) not in entered:
            # A list may contain itself, or occur a million times.
            entered.add(id(value))
            if isinstance(value, dict):
                # mmengine's items() would import the modules that a lazy config names.
                pending += [(place, key) for key in value if not isinstance(key, str)]
                pending += [((*place, key), item) for key, item in dict.items(value) if isinstance(key, str)]
            else:
                pending += [((*place, f"{index}"), item) for index, item in enumerate(value)]


def _is_long(value: int) -> bool:
    try:
        str(value)
    except ValueError:
        return True
    return False


def parse_overrides(options: Sequence[str]) -> dict[str, Any]:
    """Parse options such as ``["a.b=1", "c=[1,2]"]`` as mmengine's DictAction does.

    A :class:`TypedOverride` already has a parsed value.

    Raises:
        LrdecayError: an option does not have the form ``key=value``.
    """
    typed = {option.key: option.value for option in options if isinstance(option, TypedOverride)}
    options = [option for option in options if not isinstance(option, TypedOverride)]
    for option in options:
        if "=" not in option.lstrip("="):
            raise LrdecayError(f"{option!r} does not have the form key=value", where="--cfg-options")
    parser = ArgumentParser(exit_on_error=False, add_help=False)
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    try:
        parsed = parser.parse_args(["--cfg-options", *options] if options else [])
    except (ArgumentError, AssertionError, ValueError, SyntaxError, RecursionError) as error:
        raise LrdecayError(f"cannot read {' '.join(options)!r} ({error})", where="--cfg-options") from error
    return {**parsed.cfg_options, **typed}


def resolved_sha256(config: Config) -> str:
    """Return the SHA-256 (hex) of the merged config with its overrides. The hash is the same on every run."""
    text = json.dumps(resolved_values(config), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def resolved_values(config: Config) -> Any:
    """Return the merged config with its overrides, as plain dicts, lists and numbers."""
    return plain(config.to_dict() if hasattr(config, "to_dict") else config._cfg_dict.to_dict())


def set_options(config: Config, settings: Iterable[tuple[Sequence[str | int], Any, bool]]) -> None:
    """Set or remove options of a loaded config.

    Args:
        config: the config, which is changed in place.
        settings: for each option, its path (dict keys and list indexes), its value, and True to remove the option.

    Raises:
        LrdecayError: a path does not exist in the config.
    """
    for path, value, absent in settings:
        place: Any = config._cfg_dict
        try:
            for key in path[:-1]:
                # mmengine's own access would import the modules that a lazy config names.
                place = dict.__getitem__(place, key) if isinstance(place, dict) else place[key]
            if absent:
                del place[path[-1]]
            else:
                # As mmengine reads it: mappings within lists too.
                place[path[-1]] = ConfigDict(value=value)["value"]
        except (LookupError, TypeError) as error:
            raise LrdecayError("the config has no option with this path", where=".".join(map(str, path))) from error


def is_helper(file: str | None, name: str) -> bool:
    """True if a top-level name is a helper variable: the config file that sets the name also uses it.

    If the config itself does not set the name, its bases are searched. A helper variable of a base stays in the merged
    config, even if the config overrides all values that the base computes from the variable.
    """
    files = [file] if file and file.endswith(".py") else []
    for _ in range(_DEEPEST):
        trees = [tree for path in files if (tree := _tree(path)) is not None]
        assigned = [(tree, node.targets) for tree in trees for node in tree.body if isinstance(node, ast.Assign)]
        named = [(tree, target.id) for tree, targets in assigned for target in targets if isinstance(target, ast.Name)]
        if setting := [tree for tree, target in named if target == name]:
            return any(name in _names_read(tree) for tree in setting)
        # A child writes _base_.name, possibly under another name.
        if any(f"_base_.{name}" in _names_read(tree) for tree in trees):
            return True
        files = [base for path in files for base in _bases(path)]
    return False


def _bases(file: str) -> Iterator[str]:
    tree = _tree(file)
    # A lazy config imports its neighbours below ``with read_base():``.
    blocks = [block.body for block in (tree.body if tree else ()) if isinstance(block, ast.With)]
    imports = [node for body in blocks for node in body if isinstance(node, ast.ImportFrom)]
    if relative := [(node.level, node.module.split(".")) for node in imports if node.level and node.module]:
        yield from (str(Path(file).parents[level - 1].joinpath(*names).with_suffix(".py")) for level, names in relative)
        return
    bases: list[str] = []
    # Loading the config has already reported zoo bases that are missing.
    with suppress(Exception), remembered_zoos():
        for base in Config._get_base_files(file):
            bases.append(str(Config._get_cfg_path(base, file)[0]))  # noqa: PERF401 (what comes before an error counts)
    yield from (path for path in bases if path.endswith(".py"))


def _tree(file: str) -> ast.Module | None:
    with suppress(OSError, SyntaxError, ValueError, RecursionError):
        return ast.parse(Path(file).read_text(encoding="utf-8"))
    return None


def _names_read(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                yield name
            case ast.Attribute(attr=name, value=ast.Name(id="_base_")):
                yield f"_base_.{name}"


def names_in(file: str | None) -> set[str] | None:
    """Return every name that occurs in a config file, without its bases; None if the file cannot be parsed."""
    names: set[str] = set()
    if file and file.endswith(".py") and (tree := _tree(file)) is not None:
        for node in ast.walk(tree):
            match node:
                case (
                    ast.keyword(arg=str(name))
                    | ast.Constant(value=str(name))
                    | ast.Attribute(attr=name)
                    | ast.Name(id=name)
                ):
                    names.add(name)
        return names
    if file and file.endswith(".json"):
        with suppress(OSError, ValueError, RecursionError):
            text = Path(file).read_text(encoding="utf-8")
            json.loads(text, object_pairs_hook=lambda pairs: names.update(dict(pairs)))
            return names
    return None
