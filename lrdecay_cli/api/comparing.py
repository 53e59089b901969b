"""Compare and explain group maps: ``lrdecay_cli.diff`` and ``lrdecay_cli.explain``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrdecay_cli.api.arguments import names_of, number_of, path_of, text_of
from lrdecay_cli.api.building import PathLike, as_map, is_map_file
from lrdecay_cli.api.display import with_report
from lrdecay_cli.api.errors import short_errors
from lrdecay_cli.api.overrides import CfgOptions, overrides_of
from lrdecay_cli.domain.change import Difference
from lrdecay_cli.domain.explanation import Explanations
from lrdecay_cli.domain.group_map import GroupMap

if TYPE_CHECKING:
    from lrdecay_cli.origins import ConfigOrigins


@short_errors
def diff(
    before: GroupMap | PathLike,
    after: GroupMap | PathLike,
    *,
    rtol: float = 0.0,
    only: str | Sequence[str] | None = None,
    by: str = "parameter",
) -> Difference:
    """Return the differences between two group maps, parameter by parameter.

    >>> found = diff("baselines/map.json", audit("config.py", cfg_options={"optim_wrapper.optimizer.lr": 2e-4}))
    >>> found
    <Difference baselines/map.json → config.py: 182 tensors differ (lr)>
    >>> found.identical, found.changes[0].factor
    (False, 2.0)

    Args:
        before: a map, or the path of a config, an exported map, a checkpoint or a text baseline.
        after: the second map, in the same forms.
        rtol: relative tolerance for lr, lr scale and weight decay.
        only: aspects to compare: ``lr``, ``lr_scale``, ``weight_decay``, ``group``, …; all if None.
        by: unit of a row in the report: ``parameter``, ``layer`` or ``module``. Parameters with equal changes share a
            row.

    Raises:
        LrdecayError: a map cannot be read or built, or an aspect is unknown.
    """
    from lrdecay_cli.analysis.comparing.parts import check_grouping
    from lrdecay_cli.analysis.comparing.report import check_aspects, comparison

    aspects = check_aspects(None if only is None else names_of(only, "only"), number_of(rtol, "rtol"))
    grouping = check_grouping(text_of(by, "by"))
    maps = _both(before, after)
    sources = [side.config.path if isinstance(side, GroupMap) else path_of(side, "map") for side in (before, after)]
    result = comparison(
        maps[0],
        maps[1],
        rtol=rtol,
        only=aspects,
        by=grouping,
        origins=(_origins(before, None), _origins(after, None)),
        sources=(sources[0], sources[1]),
    )
    return with_report(result.document, result.report)


@short_errors
def explain(
    source: GroupMap | PathLike,
    parameter: str | Sequence[str] = (),
    *,
    why_not: str | None = None,
    group: str | None = None,
    cfg_options: CfgOptions | None = None,
) -> Explanations:
    """Explain the lr and weight decay of parameters: every rule that the constructor considers, and the formulas.

    >>> found = explain("config.py", "backbone.norm3")
    >>> found
    <Explanations config.py: backbone.norm3: 2 tensors explained>
    >>> found.explanations[0].numbers.lr
    0.0001

    Args:
        source: a map, or the path of a config, an exported map or a checkpoint.
        parameter: what to explain: the name of a parameter, module or group, a glob, or a list of these.
        why_not: a name or glob. The explanation shows why the parameters that match it are not in ``group``.
        group: the group for ``why_not``: its name, or a parameter or module in it.
        cfg_options: overrides of a config, as for :func:`audit`.

    Raises:
        LrdecayError: the map cannot be read or built, no parameter matches, or the group does not exist.
    """
    from lrdecay_cli.analysis.explaining.report import check_question, explanation

    patterns = names_of(parameter, "parameter")
    for name, value in (("why_not", why_not), ("group", group)):
        if value is not None:
            text_of(value, name)
    check_question(patterns, why_not, group)
    group_map = as_map(source, cfg_options=cfg_options)
    result = explanation(group_map, patterns, unlike=why_not, group=group, origins=_origins(source, cfg_options))
    return with_report(result.document, result.report)


def _both(before: GroupMap | PathLike, after: GroupMap | PathLike) -> list[GroupMap]:
    """Return the two maps to compare.

    A text baseline does not list tensors: its map gets the tensors of the other map.
    """
    from lrdecay_cli.app.requests.sources import is_text_baseline
    from lrdecay_cli.checking.baselines import compared_baseline

    paths = ["" if isinstance(side, GroupMap) else path_of(side, "map") for side in (before, after)]
    match [is_text_baseline(path) for path in paths]:
        case [True, False]:
            other = as_map(after)
            return [compared_baseline(paths[0], other), other]
        case [False, True]:
            other = as_map(before)
            return [other, compared_baseline(paths[1], other)]
    return [as_map(before), as_map(after)]


def _origins(source: GroupMap | PathLike, cfg_options: CfgOptions | None) -> ConfigOrigins | None:
    """Return the options of a config, with the lines that set them; None for a map."""
    from lrdecay_cli.origins import known_origins

    if isinstance(source, GroupMap) or is_map_file(source):
        return None
    return known_origins(os.fspath(source), overrides_of(cfg_options))
