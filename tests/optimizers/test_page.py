"""Compare ``docs/optimizers.md`` with the table of measurements, and mark differences from the documentation."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from lrdecay_cli.domain.optimizer_effects import AtZero, DecayUse, Demand, LrUse, NormUse, OptimizerEffects
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

- **step**: whether the group with a tenth of the lr moves a tenth as far as the other group (*proportional to lr*).
  Otherwise the table shows how far it moves. Some optimizers multiply a step by the norm of the weights. Groups with
  the same lr can then take steps of different sizes.
- **weight decay**: the fraction of its value that a weight loses in each step, such as *lr × weight decay*. Other
  optimizers add weight decay × weight to the gradient, as an L2 penalty (*added to the gradient*). Adam then divides
  the sum by its running size (*added to the gradient, then normalised*), and the size of the weight decay has little
  effect.
- **at lr 0**: whether a group with lr 0 moves while another group has a positive lr.
- **lr halved**: the size of a step after a scheduler halves every lr, divided by the same step without the change. 0.5
  means that the optimizer uses the new lr at once, or within 100 steps.
- **needs**: a condition without which the optimizer raises an error, at construction or at the first step.
- **!** marks differences from PyTorch's documentation of per-parameter options, or from the optimizer's own
  documentation.
"""
COLUMNS = ("optimizer", "options", "step", "weight decay", "at lr 0", "lr halved", "needs")


def deviations(row: OptimizerEffects) -> dict[str, bool]:
    """Return, by column, whether the cell deviates from the documentation."""
    declared = declared_decays(row.distribution, row.name, row.options)
    return {
        "step": (row.lr, row.norm) != ("followed", "no"),
        "weight decay": bool(declared) and row.decay not in declared,
        "at lr 0": row.at_zero != "stands still",
        "lr halved": row.halved is None or abs(row.halved - 0.5) > 0.1 or row.rewrites_lr,
        "needs": bool(row.refusals),
    }


LR: dict[LrUse, str] = {
    "followed": "proportional to lr",
    "first group's": "the same for all groups: uses the first group's lr",
    "ignored": "the same at any lr",
    "refused": "raises if the lrs differ",
    "not measured": "dependence on the lr not measured",
}
NORM: dict[NormUse, str] = {
    "always": "; grows with the norm of the weights",
    "with weight decay": "; grows with the norm of the weights in groups with weight decay",
}
DECAY: dict[DecayUse, str] = {
    "weight decay alone": "weight decay, at any lr",
    "in the gradient": "added to the gradient",
    "in the adaptive gradient": "added to the gradient, then normalised",
    "lr × RMS(weight) × weight decay": "lr × weight decay × RMS of the tensor",
    "lr² ÷ highest lr × weight decay": "(lr² ÷ highest lr of all groups) × weight decay",
    "lr ÷ first lr × weight decay": "(lr ÷ lr at construction) × weight decay",
    "lr × a factor × weight decay": "lr × weight decay × a factor that the optimizer finds",
    "first group's": "uses the first group's weight decay",
    "in another way": "none of the other formulas",
    "ignored": "weight decay has no effect",
}
AT_ZERO: dict[AtZero, str] = {
    "stands still": "does not move",
    "decays": "moves by weight decay",
    "trains": "moves",
    "refused": "raises",
}
DEMANDS: dict[Demand, str] = {
    "one group": "a single group",
    "one lr": "the same lr in all groups",
    "train()": "`train()`",
}


def cells(row: OptimizerEffects) -> dict[str, str]:
    halved = "" if row.halved is None else f"{row.halved:g}"
    return {
        "optimizer": row.name,
        "options": ", ".join(f"`{key}={value}`" for key, value in row.options.items()),
        "step": LR.get(row.lr, describe_ratios(row)) + NORM.get(row.norm, ""),
        "weight decay": DECAY.get(row.decay, row.decay),
        "at lr 0": AT_ZERO.get(row.at_zero, row.at_zero),
        "lr halved": halved + (", assigns `group['lr']`" if row.rewrites_lr else ""),
        "needs": "; ".join(
            f"{refusal.error if refusal.demand == 'unknown' else DEMANDS.get(refusal.demand, refusal.demand)}"
            f" (at {'construction' if refusal.when == 'construction' else 'the first step'})"
            for refusal in row.refusals
        ),
    }


def describe_ratios(row: OptimizerEffects) -> str:
    """Return how far the group with a tenth of the lr moves: ``0.2 times the other group's step``."""
    ratios = {step: f"{ratio:g} times" for step, ratio in row.ratios if abs(ratio - 0.1) > 0.001}
    if len(ratios) > 1 and len({*ratios.values()}) == 1 and len(ratios) == len(row.ratios):
        return f"{next(iter(ratios.values()))} the other group's step"
    return ", ".join(f"at step {step:,} {ratio} the other group's step" for step, ratio in ratios.items())


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
