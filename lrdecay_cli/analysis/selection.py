"""Select tensors of a group map by the names of parameters, modules or groups."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap, Tensor
from lrdecay_cli.text.name_patterns import matches
from lrdecay_cli.text.spelling import question, similar_names


def select(
    group_map: GroupMap, pattern: str | None, *, where: str = "--filter", duplicates: bool = False
) -> list[Tensor]:
    """Return the tensors with a name, module or group that matches ``pattern``; all tensors for None.

    If several optimizers step a tensor in turn, the tensor is returned once for each of these optimizers.

    Args:
        group_map: the map with the tensors.
        pattern: a parameter, a module (``backbone.stages.2``) or a group, or a glob for any of these.
        where: the command-line option or argument with the pattern, for the error message.
        duplicates: also match the additional names of shared tensors.

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
        fix = suggest_module(pattern, [tensor.name for tensor in everything], groups)
        raise LrdecayError(
            f"no parameter or group matches {pattern!r}",
            where=where,
            fix=fix or f"give a glob such as 'backbone.*', a module such as backbone{like}",
        )
    return chosen


def suggest_module(pattern: str, names: Iterable[str], groups: Iterable[str] = ()) -> str:
    """Return a suggestion for a pattern that matches nothing: ``did you mean backbone.norm3?``

    Empty if no name is similar.

    Args:
        pattern: the typed pattern.
        names: the parameter names in the map, which also give the modules.
        groups: the group names in the map.
    """
    found = dict.fromkeys(name.rsplit(".", n)[0] for name in names for n in range(name.count("."), -1, -1))
    like = similar_names(pattern, [*found, *groups])
    # A module also stands for everything below it.
    return question([name for name in like if not any(name.startswith(f"{other}.") for other in like)])


def name_matches(name: str, pattern: str) -> bool:
    """True if ``pattern`` (a glob, the name of a module, or a pattern from a report) matches a parameter name."""
    globs = fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")
    return globs or name.startswith(f"{pattern}.") or matches(pattern, name)


def _matches(tensor: Tensor, pattern: str) -> bool:
    if name_matches(tensor.name, pattern):
        return True
    return tensor.group is not None and fnmatchcase(tensor.group.name, pattern)
