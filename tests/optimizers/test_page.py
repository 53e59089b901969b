"""``docs/optimizers.md``: the table of effects, with marks where they differ from the documentation."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from lrdecay_cli.domain.optimizer_effects import OptimizerEffects
from lrdecay_cli.optimizers import table
from tests.golden import Golden
from tests.optimizers.declared import declared_decays

PAGE = Path(__file__).parents[2] / "docs" / "optimizers.md"
HEAD = """\
# What optimizers do with a group's lr and weight decay

Measured with real steps and written by `pytest tests/optimizers --update-golden`. `check` reads this table, and each
map stores the row of its optimizer as `optimizer.effects`. Other versions, and optimizer classes of your own, are
measured when the map is built; `lrdecay dry-run CONFIG` measures your own groups.

The measurement uses two groups with equal weights and equal gradients, one at a tenth of the other's lr, and takes
steps 1, 10, 100 and, if the optimizer counts steps, 100,000. The base lr is 0.01, or 1 for optimizers that adapt it.

- **lr**: `followed` if the slower group moves by 0.1 of the faster one in each of those steps; otherwise the factor,
  with the step. *By norm*: a step grows with the norm of the weights, so groups of the same lr move by different
  factors.
- **weight decay**: the factor that pulls a weight toward zero. *In the adaptive gradient*: an L2 penalty whose size
  is normalised away.
- **lr 0**: the effect on a group at lr 0 next to a group with another lr.
- **lr halved**: the size of a step after a scheduler halves every lr; 0.5 if schedules act at once, or within 100
  steps.
- **needs**: a requirement without which the optimizer raises, at construction or at the first step.
- **!** marks deviations from PyTorch's per-parameter options, or from the optimizer's own documentation.
"""
COLUMNS = ("optimizer", "options", "lr", "weight decay", "lr 0", "lr halved", "needs")


def deviations(row: OptimizerEffects) -> dict[str, bool]:
    """Return, by column, whether the cell deviates from the documentation."""
    declared = declared_decays(row.distribution, row.name, row.options)
    return {
        "lr": (row.lr, row.norm) != ("followed", "no"),
        "weight decay": bool(declared) and row.decay not in declared,
        "lr 0": row.at_zero != "stands still",
        "lr halved": row.halved is None or abs(row.halved - 0.5) > 0.1 or row.rewrites_lr,
        "needs": bool(row.refusals),
    }


def cells(row: OptimizerEffects) -> dict[str, str]:
    ratios = ", ".join(f"{ratio:g} at step {step:,}" for step, ratio in row.ratios if abs(ratio - 0.1) > 0.001)
    norm = {"always": ", by norm", "with weight decay": ", by norm with weight decay"}.get(row.norm, "")
    halved = "" if row.halved is None else f"{row.halved:g}"
    return {
        "optimizer": row.name,
        "options": ", ".join(f"`{key}={value}`" for key, value in row.options.items()),
        "lr": row.lr + (f": {ratios}" if row.lr == "distorted" else "") + norm,
        "weight decay": row.decay,
        "lr 0": "unchanged" if row.at_zero == "stands still" else row.at_zero,
        "lr halved": halved + (", assigns `group['lr']`" if row.rewrites_lr else ""),
        "needs": "; ".join(
            f"{refusal.error if refusal.demand == 'unknown' else refusal.demand} ({refusal.when})"
            for refusal in row.refusals
        ),
    }


def page() -> str:
    lines = [HEAD]
    for distribution, rows in groupby(table(), lambda row: row.distribution):
        found = list(rows)
        lines += [f"## {distribution} {found[0].version}", ""]
        lines += [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        for row in found:
            marked = deviations(row)
            texts = [f"{text} **!**" if marked.get(column) else text for column, text in cells(row).items()]
            lines.append(f"| {' | '.join(texts)} |".replace("|  |", "| |"))
        lines.append("")
    return "\n".join(lines)


def test_page_is_the_table(golden: Golden) -> None:
    golden.check_text(PAGE, page())


def test_a_distribution_is_measured_in_one_version() -> None:
    versions = {(row.distribution, row.version) for row in table()}
    assert len(versions) == len({distribution for distribution, _ in versions})


def test_torch_decays_as_documented() -> None:
    """Except Rprop, which documents none; every class of torch.optim has a row."""
    rows = [row for row in table() if row.distribution == "torch"]
    assert [row.name for row in rows if deviations(row)["weight decay"]] == ["Rprop"]
