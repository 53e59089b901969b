"""Top-level names of a config that are variables for the rest of it, and not settings that stand in the wrong place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mmengine.config import Config

_DEEPEST = 20
"""More bases upon bases than anybody has, for those that go round in a circle."""


def is_helper(file: str | None, name: str) -> bool:
    """Whether the file that sets a top-level name uses it too: the config's own file, else the base it is from.

    A base's variable stays in the config after a child has changed what was made of it.

    Args:
        file: of the config.
        name: at its top.
    """
    for several in _from_the_config_on(file):
        setting = [tree for tree in several if name in _set_by(tree)]
        if setting:
            return any(name in _used_by(tree) for tree in setting)
        # A child says _base_.name, and may do so under any other.
        if any(name in _taken_from_base(tree) for tree in several):
            return True
    return False


def _from_the_config_on(file: str | None) -> Iterator[list[ast.Module]]:
    """The config alone, then its bases, then theirs."""
    files = [file] if file and file.endswith(".py") else []
    for _ in range(_DEEPEST):
        if not files:
            return
        yield [tree for one in files if (tree := _tree(one)) is not None]
        files = [base for one in files for base in _bases(one)]


def _bases(file: str) -> Iterator[str]:
    tree = _tree(file)
    if tree is not None and (imported := [*_read_bases(tree)]):
        yield from (str(Path(file).parents[level - 1].joinpath(*names).with_suffix(".py")) for level, names in imported)
        return
    # Those of the zoo that cannot be found have been told where the config was loaded.
    with suppress(Exception):
        for base in Config._get_base_files(file):
            path = str(Config._get_cfg_path(base, file)[0])
            if path.endswith(".py"):
                yield path


def _read_bases(tree: ast.Module) -> Iterator[tuple[int, list[str]]]:
    """What stands beside a config in the lazy style and is imported below ``with read_base():``: dots and names."""
    for block in tree.body:
        for node in block.body if isinstance(block, ast.With) else ():
            if isinstance(node, ast.ImportFrom) and node.level and node.module:
                yield node.level, node.module.split(".")


def _tree(file: str) -> ast.Module | None:
    with suppress(OSError, SyntaxError, ValueError, RecursionError):
        return ast.parse(Path(file).read_text(encoding="utf-8"))
    return None


def _set_by(tree: ast.Module) -> set[str]:
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _used_by(tree: ast.Module) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _taken_from_base(tree: ast.Module) -> set[str]:
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "_base_"
    }
