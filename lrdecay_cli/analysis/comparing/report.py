"""Build the report of ``diff`` on two group maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import structs

from lrdecay_cli.analysis.checkpoints import resume_notes
from lrdecay_cli.analysis.comparing.changes import check_tolerance, diff, known_aspects, one_side, renames
from lrdecay_cli.analysis.comparing.coming import coming_notes, coming_rows, coming_summary, coming_tables, when
from lrdecay_cli.analysis.comparing.folding import fold
from lrdecay_cli.analysis.comparing.parts import changed_parts, parts_table
from lrdecay_cli.analysis.comparing.settings import settings, with_options
from lrdecay_cli.analysis.comparing.summary import cause_sentence, extent_sentence, presence_sentence
from lrdecay_cli.analysis.comparing.tables import long_table, shown_setting, wide_table
from lrdecay_cli.analysis.lr_factors import LrPair, lr_pairs
from lrdecay_cli.analysis.stacks import cause_of, package_changes, stack_fact, stack_notes
from lrdecay_cli.analysis.unrun import unrun_notes
from lrdecay_cli.decay.batch_scaling import describe_difference, describe_factor
from lrdecay_cli.domain.change import (
    ASPECTS,
    DIFFERENCE_SCHEMA_VERSION,
    Aspect,
    Change,
    Difference,
    Grouping,
    SettingChange,
)
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.report import Note, Report, Result
from lrdecay_cli.domain.resuming import Coming
from lrdecay_cli.domain.stack import Cause, PackageChange
from lrdecay_cli.origins import ConfigOrigins
from lrdecay_cli.text.spelling import as_key


def check_aspects(only: Sequence[str] | None, rtol: float) -> frozenset[Aspect] | None:
    """Return the aspects to compare, such as ``lr``; None for all aspects.

    Call this function before a model is built, so that a wrong option fails at once.

    Args:
        only: the values of ``--only``. One value can name several aspects: ``lr,weight_decay``.
        rtol: the relative tolerance, which is only checked.

    Raises:
        LrdecayError: an aspect is unknown, or the tolerance is invalid.
    """
    check_tolerance(rtol)
    if not only:
        return None
    return known_aspects(as_key(name) for several in only for name in several.split(","))


def comparison(
    before: GroupMap,
    after: GroupMap,
    *,
    rtol: float = 0.0,
    only: frozenset[Aspect] | None = None,
    verbose: bool = False,
    coming: Coming | None = None,
    origins: tuple[ConfigOrigins | None, ConfigOrigins | None] = (None, None),
    by: Grouping = "parameter",
    sources: tuple[str, str] = ("", ""),
) -> Result[Difference]:
    """Compare two group maps, and return the report with the differences.

    Args:
        before: the first map.
        after: the second map.
        rtol: relative tolerance for lr, lr scale and weight decay.
        only: aspects to compare, see :func:`check_aspects`; None for all.
        verbose: list every parameter that matches a name pattern.
        coming: the future lrs of two trainings, if a training resumes from a checkpoint.
        origins: for each of the two maps, the files and lines that set the config's options; None if unknown.
        by: what a row of the table describes: ``parameter``, ``layer`` or ``module``.
        sources: the paths of the two maps or configs as the user typed them; empty to use the paths in the maps.
    """
    changes = tuple(diff(before, after, rtol=rtol, only=only))
    packages = package_changes(before, after)
    identical = not changes and not (coming and coming.values)
    cause = None if identical else cause_of(before, after, packages)
    names = (before.names(duplicates=True), after.names(duplicates=True))
    folded = tuple(fold(changes, *names))
    changed_settings = tuple(with_options(setting, *origins) for setting in settings(before, after))
    differing = {change.aspect for change in changes}
    compared = f" in {', '.join(sorted(only & differing or only)).replace('_', ' ')}" if only else ""
    changed_facts = ((setting.name, _describe(setting)) for setting in changed_settings)
    before_source, after_source = (
        source or side.config.path for source, side in zip(sources, (before, after), strict=True)
    )
    pairs = lr_pairs(before, after)
    parts = changed_parts(by, changes, before, after, renames(before, after), pairs) if by != "parameter" else ()
    lead = _lead(changes, len({*names[0], *names[1]}), pairs, only, changed_settings, origins, cause, packages, coming)
    sides = Counter(side for change in changes if (side := one_side(change)))
    members = [
        Note(f"{change.pattern}: {change.aspect.replace('_', ' ')}", "info", change.parameters)
        for change in folded
        if verbose and change.tensors > 1
    ]
    report = Report(
        facts=(
            ("before", _side(before_source, before)),
            ("after", _side(after_source, after)),
            *stack_fact(packages),
            *changed_facts,
        ),
        tables=(
            wide_table(changes, folded, (*names[0], *names[1])) if by == "parameter" else parts_table(by, parts),
            *coming_tables(coming),
        ),
        notes=(
            *members,
            *stack_notes(cause, after.config.path),
            *_batch_notes(before, after),
            *_unrun_notes(before, after),
            *resume_notes(before, after),
            *coming_notes(coming),
        ),
        summary=f"{'different' if changes else 'same'}{compared}: {extent_of(changes, before, after)}"
        f"{coming_summary(coming)}",
        rows=long_table(folded, coming_rows(coming)) if by == "parameter" else parts_table(by, parts, whole=True),
        lead=lead,
    )
    document = Difference(
        DIFFERENCE_SCHEMA_VERSION,
        after.tool,
        before.config,
        after.config,
        identical,
        changed_settings,
        folded,
        coming,
        packages,
        cause,
        before_source,
        after_source,
        lead,
        sides["before"],
        sides["after"],
        by,
        parts,
    )
    return Result(document, report, (before, after))


def _describe(setting: SettingChange) -> str:
    """Return the change of a setting with its file and line: ``6 → 7, configs/_base_/convnext.py:2``."""
    places = [f", {option.origin.place}" for option in (setting.after_option, setting.before_option) if option]
    return f"{shown_setting(setting)}{''.join(places[:1])}"


def _side(source: str, group_map: GroupMap) -> str:
    """Return the name of a compared map for the report, for example ``map.json (map of configs/a.py)``.

    The name starts with the path that the user typed. For an exported map, the config follows in parentheses; for a
    work directory, the checkpoint.
    """
    path = group_map.config.path
    if source == path:
        return source
    given = "stdin" if source == "-" else source
    return f"{given} ({'' if group_map.checkpoint else 'map of '}{path})"


def _lead(
    changes: Sequence[Change],
    total: int,
    pairs: Mapping[str, LrPair],
    only: frozenset[Aspect] | None,
    changed_settings: Sequence[SettingChange],
    origins: tuple[ConfigOrigins | None, ConfigOrigins | None],
    cause: Cause | None,
    packages: Sequence[PackageChange],
    coming: Coming | None,
) -> tuple[str, ...]:
    extent = extent_sentence(changes, total, pairs, only)
    if coming and coming.values:
        extent += f"; future lrs, from {when(coming.first, coming)} on, differ"
    presence = presence_sentence(changes, only)
    return tuple(filter(None, (extent, presence, cause_sentence(changes, changed_settings, origins, cause, packages))))


def _unrun_notes(before: GroupMap, after: GroupMap) -> Iterator[Note]:
    """Yield notes on hooks, loops and strategies that act only during training, if they differ between the configs.

    A group map does not show the effect of this code.
    """
    olds, news = ({(each.name, each.may) for each in side.training.unrun or ()} for side in (before, after))
    if before.checkpoint or after.checkpoint or olds == news:
        return
    for name, side in (("before", before), ("after", after)):
        yield from (structs.replace(note, text=f"{name}: {note.text}") for note in unrun_notes((side,)))


def _batch_notes(before: GroupMap, after: GroupMap) -> Iterator[Note]:
    """Yield notes on lr differences that a different batch size or number of GPUs causes."""
    batches = [(side.config.path, side.batch) for side in (before, after) if side.batch]
    if before.lr_factor != after.lr_factor:
        texts = tuple(f"{path}: {describe_factor(batch)}" for path, batch in batches if batch.lr_factor is not None)
        ratio = after.lr_factor / before.lr_factor
        yield Note(
            f"auto_scale_lr alone makes every lr of the second config {ratio:g} times the lr of the first config",
            "info",
            texts,
        )
    if before.batch and after.batch and before.batch.gpus != after.batch.gpus:
        for _, batch in batches[:1]:
            if batch.differs is not None:
                yield Note(f"{batch.gpus} GPUs before, {after.batch.gpus} after; {describe_difference(batch)}")


def extent_of(changes: Sequence[Change], before: GroupMap, after: GroupMap) -> str:
    """Return how many tensors differ: ``3 of 180 tensors (lr 3)``. If no tensor differs: ``180 tensors``."""
    total = len({*before.names(duplicates=True), *after.names(duplicates=True)})
    if not changes:
        return f"{total} tensors"
    differing = len({change.parameter for change in changes})
    counts = Counter(change.aspect for change in changes)
    texts = ", ".join(f"{aspect.replace('_', ' ')} {counts[aspect]}" for aspect in ASPECTS if aspect in counts)
    return f"{differing} of {total} tensors ({texts})"
