"""Completions for the Tab key: configs, names in a zoo, rules, formats and other words."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import typer

from lrdecay_cli import formats
from lrdecay_cli.domain.errors import LrdecayError

REQUEST = "_LRDECAY_COMPLETE"
"""Environment variable that the shell's completion script sets. Its name and values follow Typer."""
_SEPARATOR = "::"
# Limit in bytes: a file of this size is read in a fraction of a second.
_LARGEST_MAP = 8_000_000


def answer(run: Callable[[], int]) -> int:
    """Answer the shell's completion request by calling ``run``, lrdecay's command-line function.

    bash splits ``mmdet::conv`` into three words and replaces only the last word. Therefore the whole word is completed,
    and bash gets only the part after the colons.
    """
    if os.environ[REQUEST] != "complete_bash":
        return _ended(run)
    words, index, known = joined(os.environ.get("COMP_WORDS", ""), int(os.environ.get("COMP_CWORD", "0")))
    os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = "\n".join(words), str(index)
    with redirect_stdout(io.StringIO()) as output:
        code = _ended(run)
    sys.stdout.write("".join(f"{line.removeprefix(known)}\n" for line in output.getvalue().splitlines()))
    return code


def _ended(run: Callable[[], int]) -> int:
    try:
        return run()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0


def joined(line: str, index: int) -> tuple[list[str], int, str]:
    """Join the words that bash splits at ``::``.

    Return the joined words, the index of the word to complete, and the part of this word that
    bash leaves on the line, so that a completion must not repeat it.
    """
    words: list[str] = []
    current, known = index, ""
    for position, word in enumerate(line.split("\n") if "\n" in line else line.split()):
        after_separator = bool(words) and words[-1].endswith(_SEPARATOR) and " " not in words[-1]
        if words and (word == _SEPARATOR or after_separator):
            words[-1] += word
            if position <= index:
                current -= 1
            if position == index:
                known = words[-1].rpartition(_SEPARATOR)[0] + _SEPARATOR
        else:
            words.append(word)
    return words, current, known


def configs(incomplete: str) -> list[str]:
    """Return configs, exported maps and folders that start with the typed text. In a zoo, return one folder level."""
    from lrdecay_cli.files.config_path import SUFFIXES
    from lrdecay_cli.files.packages import ZOOS

    if _SEPARATOR in incomplete:
        return _in_zoo(incomplete)
    zoos = [f"{zoo}{_SEPARATOR}" for zoo in ZOOS if find_spec(zoo)] if "/" not in incomplete else []
    return [*_files(incomplete, SUFFIXES), *_beginning(zoos, incomplete)]


def configs_and_checkpoints(incomplete: str) -> list[str]:
    """Return the completions of :func:`configs`, and checkpoints that start with the typed text."""
    from lrdecay_cli.files.config_path import CHECKPOINT_SUFFIXES

    checkpoints = [] if _SEPARATOR in incomplete else _files(incomplete, CHECKPOINT_SUFFIXES)
    return list(dict.fromkeys([*configs(incomplete), *checkpoints]))


def parameters(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return modules and parameters of the exported map on the command line, one level at a time.

    For example, ``backbone.norm3`` is completed first, then ``backbone.norm3.weight``. Nothing is returned for a config
    or a checkpoint, because building a model or loading a checkpoint takes too long.
    """
    from lrdecay_cli.files import read_map

    source = str(ctx.params.get("config") or "")
    try:
        if not source.endswith(".json") or _SEPARATOR in source or Path(source).stat().st_size > _LARGEST_MAP:
            return []
        group_map = read_map(source)
    except (OSError, LrdecayError):
        return []
    known, dot, _ = incomplete.rpartition(".")
    level = known + dot
    found = {level + name.removeprefix(level).partition(".")[0] for name in group_map.names() if name.startswith(level)}
    return _beginning(sorted(found), incomplete)


def options_of_config(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return options of the config on the command line, one level at a time: ``optim_wrapper.optimizer``, then
    ``optim_wrapper.optimizer.lr``.
    """
    from lrdecay_cli.domain.origins import option_path
    from lrdecay_cli.origins import config_origins

    try:
        origins = config_origins(str(ctx.params.get("config") or ""))
    except LrdecayError:
        return []
    above = incomplete.rpartition(".")[0]
    keys = origins.keys_of(above)
    return [] if keys is None else _beginning([option_path((*keys, key)) for key in origins.children(keys)], incomplete)


def folders(incomplete: str) -> list[str]:
    """Return folders that start with the typed text."""
    return _files(incomplete, ())


def json_files(incomplete: str) -> list[str]:
    """Return JSON files and folders that start with the typed text."""
    return _files(incomplete, (".json",))


def baselines(incomplete: str) -> list[str]:
    """Return baselines (text or JSON) and folders that start with the typed text."""
    return _files(incomplete, (".txt", ".json"))


def forms(incomplete: str) -> list[str]:
    """Return the forms of baseline files (``text``, ``json``) that start with the typed text."""
    return [form for form in ("text", "json") if form.startswith(incomplete)]


def settings_files(incomplete: str) -> list[str]:
    """Return TOML files and folders that start with the typed text."""
    return _files(incomplete, (".toml",))


def rules(incomplete: str) -> list[tuple[str, str]]:
    """Return rule codes with their names, or names with their codes.

    If the user typed several rules, separated by commas, only the last rule is completed.
    """
    from lrdecay_cli.rules import RULES

    before, comma, last = incomplete.rpartition(",")
    # Keep the typed case: the shell does not replace it.
    codes = [(rule.code, rule.name) for rule in RULES]
    words = codes if "LRD".startswith(last.upper()[:3]) else [(name, code) for code, name in codes]
    return [
        (f"{before}{comma}{last}{word[len(last) :]}", other)
        for word, other in words
        if word.lower().startswith(last.lower())
    ]


def formats_of(command: str) -> Callable[[str], list[str]]:
    """Return the completion function for a command's ``--format``."""
    return lambda incomplete: _beginning(formats.formats_of(command), incomplete)


def outputs_of(command: str) -> Callable[[str], list[str]]:
    """Return the completion function for a command's ``--output``. It completes names of formats followed by ``=``."""
    return lambda incomplete: [f"{name}=" for name in _beginning(formats.formats_of(command), incomplete)]


def _words(module: str, constant: str, *, several: bool = False) -> Callable[[str], list[str]]:
    """Return a completion function for the words in a constant. It imports the constant's module when it is called.

    ``several``: the option accepts several words, separated by commas.
    """

    def words(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",") if several else ("", "", incomplete)
        known = getattr(import_module(f"lrdecay_cli.{module}"), constant)
        return [f"{before}{comma}{word}" for word in _beginning(known, last)]

    return words


colors = _words("app.shell.console", "COLOR_CHOICES")
views = _words("analysis.inspecting.report", "VIEWS")
severities = _words("domain.finding", "SEVERITIES")
documents = _words("files.schema", "DOCUMENTS")
groupings = _words("analysis.comparing.parts", "GROUPINGS")
aspects = _words("domain.change", "ASPECTS", several=True)


def devices(incomplete: str) -> list[str]:
    """Return all device names that ``--device`` accepts, including devices that this machine lacks."""
    return _beginning(("cpu", "meta", "cuda", "mps"), incomplete)


def columns(incomplete: str) -> list[str]:
    """Return the columns by which ``inspect --sort`` can sort.

    A column with a hyphen would mean descending order. It is not offered, because the shell would treat it as an
    option.
    """
    from lrdecay_cli.analysis.inspecting.report import VIEWS

    views = (columns for by, (columns, _) in VIEWS.items() if by != "module")
    return _beginning(dict.fromkeys(column.key for columns in views for column in columns), incomplete)


def _in_zoo(incomplete: str) -> list[str]:
    from lrdecay_cli.files.config_path import zoo_folders

    package, _, inside = incomplete.partition(_SEPARATOR)
    folder, slash, name = inside.rpartition("/")
    try:
        roots = zoo_folders(package, given=incomplete)
    except LrdecayError:
        return []
    found = {entry for root in roots for entry in _entries(root / folder, name, (".py",))}
    return [f"{package}{_SEPARATOR}{folder}{slash}{entry}" for entry in sorted(found)]


def _files(incomplete: str, suffixes: Iterable[str]) -> list[str]:
    folder, _, name = incomplete.rpartition("/")
    prefix = f"{folder}/" if folder or incomplete.startswith("/") else ""
    return [f"{prefix}{entry}" for entry in _entries(Path(prefix or "."), name, suffixes)]


def _entries(folder: Path, beginning: str, suffixes: Iterable[str]) -> list[str]:
    """Return folders (with a trailing slash) and files with these suffixes; hidden ones only if a dot was typed."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    return [
        f"{entry.name}/" if entry.is_dir() else entry.name
        for entry in entries
        if entry.name.startswith(beginning)
        and (entry.is_dir() or entry.suffix in suffixes)
        and (beginning.startswith(".") or not entry.name.startswith((".", "__pycache__")))
    ]


def _beginning(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
