"""Compare ``docs/optimizers.md`` with the table of measurements, and mark differences from the documentation."""

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

The tables on this page show how optimizers use a group's lr and weight decay. `pytest tests/optimizers --update-golden`
measures the optimizers with real steps and writes this page. `check` reads the same measurements, and each group map
stores the measurement of its optimizer as `optimizer.effects`. If your version or your own optimizer class is not
listed, lrdecay measures the class when it builds the map. `lrdecay dry-run CONFIG` measures your own groups.

Each measurement uses two groups with equal weights and equal gradients. The lr of one group is a tenth of the lr of
the other. lrdecay measures the step numbers 1, 10 and 100. If the optimizer has a step counter, lrdecay also sets it
to 100,000 and measures this step. The base lr is 0.01, or 1 for optimizers that find the lr themselves, such as
Prodigy.

- **lr**: the movement of the group with the lower lr, divided by the movement of the other group. `followed` means
  0.1 in each measured step. Otherwise the table shows the measured ratio, with the step number. *By norm* means that
  steps grow with the norm of the weights, so groups with the same lr can take steps of different sizes.
- **weight decay**: how weight decay moves a weight toward zero. For example, *lr × weight decay* means that a weight
  loses this fraction of its value in each step. *In the gradient* means that the optimizer adds weight decay to the
  gradient, as an L2 penalty. *In the adaptive gradient* means that the optimizer also normalises this L2 penalty, so
  the size of the penalty has no effect.
- **lr 0**: whether a group with lr 0 moves while another group has a positive lr.
- **lr halved**: the size of a step after a scheduler halves every lr, divided by the same step without the change. 0.5
  means that the optimizer uses the new lr at once, or within 100 steps.
- **needs**: a condition without which the optimizer raises an error, at construction or at the first step.
- **!** marks differences from PyTorch's documentation of per-parameter options, or from the optimizer's own
  documentation.
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
    """Except Rprop, which documents no weight decay; every class of torch.optim has a row."""
    rows = [row for row in table() if row.distribution == "torch"]
    assert [row.name for row in rows if deviations(row)["weight decay"]] == ["Rprop"]
