"""Choosing among the tensors of a map by name."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap, Tensor
from lrdecay_cli.text.name_patterns import matches
from lrdecay_cli.text.spelling import meant, question


def select(
    group_map: GroupMap, pattern: str | None, *, where: str = "--filter", duplicates: bool = False
) -> list[Tensor]:
    """The tensors whose name, module or group matches ``pattern``; all of them for None.

    A tensor is there once for each of the optimizers that take turns with it.

    Args:
        group_map: where to look.
        pattern: a parameter, a module (``backbone.stages.2``) or a group, or a glob for any of these.
        where: the option or argument that the pattern came from, for the error.
        duplicates: match further names of shared tensors too.

    Raises:
        LrdecayError: nothing matches.
    """
    everything = [tensor for tensor in group_map.memberships() if duplicates or tensor.state != "duplicate"]
    if pattern is None:
        return everything
    chosen = [tensor for tensor in everything if _matches(tensor, pattern)]
    if not chosen:
        groups = [group.name for group in group_map.groups]
        like = f", or a group such as {groups[0]}" if groups else ""
        fix = module_meant(pattern, [tensor.name for tensor in everything], groups)
        raise LrdecayError(
            f"no parameter or group matches {pattern!r}",
            where=where,
            fix=fix or f"give a glob such as 'backbone.*', a module such as backbone{like}",
        )
    return chosen


def module_meant(pattern: str, names: Iterable[str], groups: Iterable[str] = ()) -> str:
    """What may be meant by a pattern that matches nothing: ``did you mean backbone.norm3?``; empty if not known.

    Args:
        pattern: what was typed.
        names: the parameters that it was held against, by which the modules are known.
        groups: the groups that it was held against.
    """
    found = dict.fromkeys(name.rsplit(".", n)[0] for name in names for n in range(name.count("."), -1, -1))
    like = meant(pattern, [*found, *groups])
    # Of a module, what is below it is meant as well.
    return question([name for name in like if not any(name.startswith(f"{other}.") for other in like)])


def name_matches(name: str, pattern: str) -> bool:
    """Whether a parameter is meant by ``pattern``: a glob, a module that it is in, or a pattern as reports print it."""
    globs = fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")
    return globs or name.startswith(f"{pattern}.") or matches(pattern, name)


def _matches(tensor: Tensor, pattern: str) -> bool:
    if name_matches(tensor.name, pattern):
        return True
    return tensor.group is not None and fnmatchcase(tensor.group.name, pattern)
