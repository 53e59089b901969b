"""Read a config file and its bases, and merge them into one config that records the file and line of every value.

Source: mmengine 0.10.7, ``Config.fromfile``, ``_file2dict`` and ``_parse_lazy_import``.
"""

from __future__ import annotations

import ast
import os
import posixpath
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.files.config_path import SEPARATOR, config_path, suggest_file
from lrdecay_cli.origins import lazy_style
from lrdecay_cli.origins.data_files import read_data
from lrdecay_cli.origins.evaluating import Evaluator
from lrdecay_cli.origins.executing import Executor
from lrdecay_cli.origins.merging import Unmergeable, in_scope, merge, with_placeholders
from lrdecay_cli.origins.nodes import Handing, Node, Slot, Unknowable, all_config, as_config, as_plain, hooked
from lrdecay_cli.origins.sources import Source, Span, read_source, substitute_templates

_DEEPEST = 20
_MOST_FILES = 500
_BASE = "_base_"


class ConfigReader:
    """Reads a config and its bases.

    Args:
        texts: for resolved paths of files, texts to use instead of the content of the files.

    Attributes:
        sources: the files that were read, in the order of reading. The keys are the names that messages show.
        raised: for each expression that raises an exception when the config is run: its range, and the exception.
        named: for each base, the range of the first ``_base_`` entry or import that names this base.
    """

    def __init__(self, texts: Mapping[Path, str] | None = None) -> None:
        self._texts = texts or {}
        self.sources: dict[str, Source] = {}
        self.raised: list[tuple[Span, str]] = []
        self.named: dict[str, Span] = {}
        self._open: list[Path] = []
        self._count = 0

    def read(self, shown: str, path: Path) -> Node:
        """Return the merged config as a ConfigDict.

        Raises:
            LrdecayError: mmengine could not load the config.
        """
        tree = self._tree(shown, path) if path.suffix == ".py" else None
        if tree is not None and lazy_style.is_lazy(tree[1]):
            names, imported = self._lazy(shown, path)
            return Node("config", {name: slot for name, slot in names.data.items() if name not in imported})
        return as_config(self._plain(shown, path))

    def _source(self, shown: str, path: Path) -> Source:
        self._count += 1
        if self._count > _MOST_FILES:
            raise LrdecayError(f"has more than {_MOST_FILES} bases", where=next(iter(self.sources)))
        source = self._read(shown, path)
        return self.sources.setdefault(shown, source)

    def _read(self, shown: str, path: Path) -> Source:
        text = self._texts.get(Path(os.path.realpath(path))) if self._texts else None
        return read_source(shown, path) if text is None else Source(shown, path, text)

    def _tree(self, shown: str, path: Path, source: Source | None = None) -> tuple[Source, ast.Module]:
        source = source or self._read(shown, path)
        try:
            return source, ast.parse(source.text)
        except SyntaxError as error:
            where = f"{shown}:{error.lineno}" if error.lineno else shown
            raise LrdecayError(f"is not valid Python: {error.msg}", where=where, final=True) from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise LrdecayError(
                "cannot be parsed: the config is nested too deeply or contains a null byte", where=shown
            ) from error

    def _entered(self, shown: str, path: Path, at: Span | None) -> None:
        if path in self._open or len(self._open) >= _DEEPEST:
            circle = path in self._open
            where = str(at.place()) if at else shown
            raise LrdecayError(
                f"{shown} is a base of itself" if circle else f"more than {_DEEPEST} levels of bases",
                where=where,
                fix=f"remove {shown} from _base_" if circle else "",
                final=True,
            )
        self._open.append(path)

    def _plain(self, shown: str, path: Path, at: Span | None = None) -> Node:
        """Return the merged config of a file. The outermost dict is a plain dict, not a ConfigDict."""
        self._entered(shown, Path(os.path.realpath(path)), at)
        source = self._source(shown, path)
        substitute_templates(source)
        if path.suffix == ".py":
            _, tree = self._tree(shown, path, source)
            if at is not None and lazy_style.is_lazy(tree):
                raise LrdecayError(
                    f"{shown} is a lazy config, but the config that inherits from it is not",
                    where=str(at.place()),
                    final=True,
                )
            bases = self._named_bases(tree, source)
        else:
            data = read_data(source)
            bases = _listed(data.data.get(_BASE))
        base = self._bases(bases, shown, path)
        own = self._run(tree, source, base) if path.suffix == ".py" else data
        own.data.pop("_deprecation_", None)
        try:
            own = with_placeholders(own, base)
            own.data.pop(_BASE, None)
            merged = merge(own, base)
        except Unmergeable as error:
            span = error.slot.key or error.slot.node.span
            raise LrdecayError(error.problem, where=str(span.place()) if span else shown, final=True) from error
        self._open.pop()
        return Node("dict", {key: slot for key, slot in merged.data.items() if not str(key).startswith("__")})

    def _named_bases(self, tree: ast.Module, source: Source) -> list[tuple[str, Span]]:
        for statement in tree.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id="_base_"), *_], value=expression):
                    return _listed(Slot(Evaluator(source, {}).value(expression).node))
        return []

    def _bases(self, bases: list[tuple[str, Span]], shown: str, path: Path) -> Node:
        merged = Node("config", {})
        for name, span in bases:
            base_shown, base = self._found(name, shown, path, span)
            self.named.setdefault(base_shown, span)
            scope = name.partition(SEPARATOR)[0] if SEPARATOR in name else None
            held = in_scope(self._plain(base_shown, base, span), scope, span)
            for key, slot in held.data.items():
                if key in merged.data:
                    first = merged.data[key].key
                    also = f", like {first.place()}" if first else ""
                    raise LrdecayError(
                        f"{base_shown} sets {key}{also}, but two bases must not set the same key",
                        where=str(span.place()),
                        final=True,
                    )
                merged.data[key] = slot._replace(node=hooked(slot.node))
        return merged

    def _found(self, name: str, shown: str, path: Path, span: Span) -> tuple[str, Path]:
        if SEPARATOR in name:
            found = config_path(name)
            beside = name
        else:
            found, beside = path.parent / name, posixpath.normpath(posixpath.join(posixpath.dirname(shown), name))
            if SEPARATOR in shown:
                package, _, in_zoo = shown.partition(SEPARATOR)
                beside = package + SEPARATOR + posixpath.normpath(posixpath.join(posixpath.dirname(in_zoo), name))
        if found is None or not found.is_file() or found.suffix not in (".py", ".json", ".yaml", ".yml"):
            fix = suggest_file(str(found), (".py",)) if found else ""
            raise LrdecayError(f"no such base: {name}", where=str(span.place()), fix=fix)
        return beside, found

    def _run(self, tree: ast.Module, source: Source, base: Node) -> Node:
        executor = Executor(source, {_BASE: Slot(base)})
        tree.body = [statement for statement in tree.body if not _assigns_base(statement)]
        executor.run(tree.body)
        self.raised += executor.raised
        kept = {
            name: slot
            for name, slot in executor.names.items()
            if name != _BASE and not name.startswith("__") and not _is_code(slot.node)
        }
        return Node("dict", kept)

    def _lazy(self, shown: str, path: Path, at: Span | None = None) -> tuple[Node, set[str]]:
        """Return the variables of a lazy config file, and the names that the file and its bases import.

        The set of names does not contain names that are imported from a base.
        """
        self._entered(shown, Path(os.path.realpath(path)), at)
        source, tree = self._tree(shown, path, self._source(shown, path))
        imports, body = lazy_style.base_block(tree)
        names: dict[str, Slot] = {}
        bases: dict[str, Node] = {}
        imported: set[str] = set()
        for statement in imports:
            span = source.span(statement)
            module = lazy_style.module_of(statement)
            base_shown, base = self._lazy_found(module, shown, path, span)
            self.named.setdefault(base_shown, span)
            bases[module], more = self._lazy(base_shown, base, span)
            imported |= more
        own: list[ast.stmt] = []
        for line in body:
            module = lazy_style.module_of(line) if isinstance(line, ast.ImportFrom) else ""
            if isinstance(line, ast.ImportFrom) and module in bases:
                self._take(line, bases[module], source, names)
            else:
                imported |= {name for name, _, _ in lazy_style.imported_names(line)}
                own.append(line)
        executor = Executor(source, names)
        executor.run(own)
        self.raised += executor.raised
        self._open.pop()
        kept = {name: slot for name, slot in executor.names.items() if not name.startswith("__")}
        return all_config(Node("config", kept)), imported

    def _take(self, statement: ast.ImportFrom, base: Node, source: Source, names: dict[str, Slot]) -> None:
        for alias in statement.names:
            if alias.name == "*":
                names.update(base.data)
                return
            if alias.name not in base.data:
                where = str(source.span(alias).place())
                raise LrdecayError(f"the base config does not define {alias.name}", where=where, final=True)
            slot = base.data[alias.name]
            if alias.asname:
                slot = slot._replace(via=(Handing("import", alias.name, source.span(alias)), *slot.via))
            names[alias.asname or alias.name] = slot

    def _lazy_found(self, module: str, shown: str, path: Path, span: Span) -> tuple[str, Path]:
        beside = lazy_style.base_name(module)
        if beside is not None:
            return self._found(beside, shown, path, span)
        package, _, rest = module.partition(".")
        spec = find_spec(package) if rest else None
        folders = list(spec.submodule_search_locations or ()) if spec else []
        found = Path(folders[0], *rest.split(".")).with_suffix(".py") if folders else None
        if found is None or not found.is_file():
            raise LrdecayError(f"no such base: {module}", where=str(span.place()))
        _, _, in_zoo = rest.partition(".")
        return (
            f"{package}{SEPARATOR}{in_zoo.replace('.', '/')}.py" if rest.startswith("configs.") else str(found)
        ), found


def _listed(slot: Slot | None) -> list[tuple[str, Span]]:
    """Return each path in ``_base_``, with its range in the file."""
    if slot is None:
        return []
    several = slot.node.data if slot.node.kind == "list" else [slot]
    found = []
    for each in several:
        span = each.node.span or slot.node.span
        try:
            name = as_plain(each.node)
        except Unknowable as error:
            raise LrdecayError(
                f"the value of _base_ is unknown: {error}", where=str(span.place()) if span else ""
            ) from error
        if not isinstance(name, str) or span is None:
            raise LrdecayError(
                "_base_ contains a value that is not a path", where=str(span.place()) if span else "", final=True
            )
        found.append((name, span))
    return found


def _assigns_base(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id="_base_"), *_]):
            return True
    return False


def _is_code(node: Node) -> bool:
    """True for a function, a module or an imported object. mmengine removes functions and modules from a config."""
    return node.kind == "function" or (node.kind == "object" and node.constant)
