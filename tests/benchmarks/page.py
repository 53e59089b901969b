"""Write docs/performance.md: the table of the last measurement, and its machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.measuring import ROOT

PAGE = ROOT / "docs/performance.md"
_TEXT = """# Performance

The table compares run times and memory of lrdecay with other programs. `python -m tests.benchmarks --write` writes this
page. Each row compares two commands A and B, or one task on a large input (A) and on a tenth of this input (B). The
runs alternate: A B A B. *ratio* is the median of A / B, *min* and *max* are the lowest and highest ratio, and *CPU* is
the median ratio of CPU time. Column A contains the median of A, and column B the median of B. These medians depend on
the machine much more than the ratios do.

The "plain script" is what a user would write without lrdecay: load the config, build the model on the CPU, call
`build_optim_wrapper`, print the groups (`tests/benchmarks/plain_script.py`). If a row names no config, the config is
MMDetection's Mask R-CNN on ConvNeXt-T. "cold" means without a cached result, and "warm" means with a cached result.

The measurements were made on this machine: {machine}.

{table}
"""


def write_page(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Replace rows with the same figure by the new rows, and append the others."""
    known = {row[0]: row for row in _rows_of(PAGE)}
    known.update({row[0]: tuple(row[: len(_columns(head))]) for row in rows})
    columns = _columns(head)
    lines = [columns, ("---", *["---:"] * (len(columns) - 1)), *known.values()]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    PAGE.write_text(_TEXT.format(machine=_machine(), table=table), encoding="utf-8")


def _columns(head: Sequence[str]) -> tuple[str, ...]:
    """Return the columns without the goals, which only developers of lrdecay need."""
    return tuple(head[: head.index("reach")])


def _rows_of(page: Path) -> list[tuple[str, ...]]:
    if not page.is_file():
        return []
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]]


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "mmengine", "mmdet"))
    cores = f"{os.cpu_count()} cores of {model or platform.machine()}"
    return f"{cores}, {memory:.0f} GiB of memory, {platform.system()}, Python {platform.python_version()}, {packages}"
