"""Draw the lr of every group of a map with matplotlib, for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.formats.values import is_number, printable

if TYPE_CHECKING:
    from lrdecay_cli.domain.group_map import GroupMap

_NAMED = 60
"""Maximum number of group names on the axis. If there are more groups, only some are labelled."""
_USUAL, _ABOVE = "#3b82f6", "#e5484d"


def draw(group_map: GroupMap, ax: Any = None) -> Any:
    """Draw a bar for each group on a logarithmic axis of lrs, and a line at the base lr; return the axes.

    Groups are sorted by layer id; groups without a layer id are in the optimizer's order. A bar is red if the lr is
    above the base lr. A group has no bar if its lr is 0 or missing.

    Raises:
        LrdecayError: matplotlib is not installed.
    """
    if ax is None:
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise LrdecayError(
                "plot() needs the package matplotlib, which is not installed", fix='pip install "lrdecay-cli[plot]"'
            ) from error
        height = 1.4 + 0.22 * min(len(group_map.groups), _NAMED)
        ax = pyplot.subplots(figsize=(7.5, height), layout="constrained")[1]
    groups = sorted(
        enumerate(group_map.groups),
        key=lambda pair: (pair[1].layer_id is None, pair[1].layer_id or 0, pair[0]),
    )
    lrs = [group.lr if is_number(group.lr) and group.lr > 0 else 0.0 for _, group in groups]
    base = group_map.base_lr and group_map.base_lr * group_map.lr_factor
    above = [bool(base) and lr > (base or 0) * (1 + 1e-6) for lr in lrs]
    drawn = [lr for lr in lrs if lr > 0]
    lowest = min([*drawn, base or min(drawn, default=1.0)], default=1.0)
    places = range(len(groups))
    ax.barh(
        places, [max(lr - lowest / 2, 0) for lr in lrs], left=lowest / 2, color=[_ABOVE if a else _USUAL for a in above]
    )
    if drawn:
        ax.set_xscale("log")
        ax.set_xlim(left=lowest / 2)
    if base:
        ax.axvline(base, color="gray", linestyle="--", linewidth=1, label=f"base lr {base:g}")
        ax.legend(loc="best", fontsize="small")
    step = max(1, -(-len(groups) // _NAMED))
    ax.set_yticks(
        [place for place in places if place % step == 0],
        [_plain(groups[place][1].name) for place in places if place % step == 0],
        fontsize="small",
    )
    # The head, with the highest layer id, is on top.
    ax.set_ylabel("parameter group")
    ax.set_xlabel("learning rate (logarithmic scale)")
    ax.set_title(
        _plain(f"{group_map.config.path}: {group_map.model.type}, {group_map.optimizer.type}"), fontsize="medium"
    )
    return ax


def _plain(text: str) -> str:
    """Return a name escaped for matplotlib, which treats a dollar sign as the start of a formula."""
    return printable(text).replace("$", r"\$")
