"""Parse configs in mmengine's lazy style.

Such a config imports its bases below ``with read_base():``. For other import statements, mmengine stores only the names
of the classes and functions. It imports a class or function later, when the training needs this class or function.

Source: mmengine 0.10.7, ``Config._is_lazy_import``, ``_parse_lazy_import`` and ``config/utils.py``.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec

# Names of the standard library of the running interpreter: mmengine uses the same.
_PYTHON_ROOT = os.path.dirname(os.path.dirname(sys.executable))  # noqa: PTH120
_SYSTEM_PYTHON = "/usr/lib/python"


def is_lazy(tree: ast.Module) -> bool:
    """True if mmengine reads a config in the lazy style."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id="_base_"), *_]):
                return False
            case ast.With():
                return True
            case ast.ImportFrom(level=level) if level:
                return True
            case ast.ImportFrom(module="mmengine", names=[ast.alias(name="Config")]):
                continue
            case ast.ImportFrom(module=str(module)) if not is_builtin(module):
                return True
            case ast.Import(names=names) if not all(is_builtin(alias.name) for alias in names):
                return True
    return False


def is_builtin(module: str) -> bool:
    """True if mmengine imports this module immediately when it reads a config.

    True for Python's standard library and for ``mmengine.config``.
    """
    if module.startswith("."):
        return False
    if module.startswith("mmengine.config") or module in sys.builtin_module_names:
        return True
    try:
        spec = find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return False
    if spec is None or spec.origin is None:
        return False
    origin = os.path.abspath(spec.origin)  # noqa: PTH100 (as mmengine does)
    return (
        "site-package" not in origin
        and "dist-package" not in origin
        and origin.startswith((_PYTHON_ROOT, _SYSTEM_PYTHON))
    )


def base_block(tree: ast.Module) -> tuple[list[ast.ImportFrom], list[ast.stmt]]:
    """Return two lists: the imports in the first ``with read_base():``, and all statements of the config.

    The second list contains these imports at the position of the ``with`` block, instead of the block.
    """
    for position, statement in enumerate(tree.body):
        if isinstance(statement, ast.With):
            imports = [line for line in statement.body if isinstance(line, ast.ImportFrom)]
            return imports, [*tree.body[:position], *statement.body, *tree.body[position + 1 :]]
    return [], tree.body


def module_of(statement: ast.ImportFrom) -> str:
    """Return the module of an import statement: ``..x.y`` for ``from ..x.y import z``."""
    return "." * statement.level + (statement.module or "")


def base_name(module: str) -> str | None:
    """Return the path of a base, relative to the config's folder: ``../x.py`` for ``..x``.

    None if ``module`` is an absolute import.
    """
    names = module.lstrip(".")
    level = len(module) - len(names)
    path = names.replace(".", "/") + ".py"
    return "/".join([*[".."] * (level - 1), path]) if level else None


def imported_names(statement: ast.stmt) -> Iterator[tuple[str, str, ast.alias]]:
    """Yield three values for each imported name: the name, the dotted path of its object, and the AST node."""
    match statement:
        case ast.ImportFrom(names=aliases):
            for alias in aliases:
                yield alias.asname or alias.name, f"{module_of(statement)}.{alias.name}", alias
        case ast.Import(names=aliases):
            for alias in aliases:
                package = alias.name.partition(".")[0]
                yield alias.asname or package, alias.name if alias.asname else package, alias
