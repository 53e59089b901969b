"""``python -m tests.benchmarks``: a table of wall-time ratios, medians of interleaved runs."""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__, "../../..").resolve()
LRDECAY = [sys.executable, "-m", "lrdecay_cli"]
TYPER = [sys.executable, "-c", "import typer"]
CONFIG = "mmdet::convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py"
# What a user would write without lrdecay.
PLAIN = f"""
from lrdecay_cli.openmmlab.stand_ins import install_stand_ins
install_stand_ins()
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.utils import get_installed_path
config = Config.fromfile(get_installed_path("mmdet") + "/.mim/configs/{CONFIG.partition("::")[2]}")
init_default_scope(config.default_scope)
config.optim_wrapper.type = "OptimWrapper"
for group in build_optim_wrapper(MODELS.build(config.model), config.optim_wrapper).optimizer.param_groups:
    print(group["lr"], group["weight_decay"], len(group["params"]))
"""


def benchmarks(folder: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Name of each figure: the command, and the one that it is measured against."""
    os.environ.update(LRDECAY_CACHE_DIR=f"{folder}/cache", LRDECAY_NO_CACHE="")
    for name, sample in (("a", "convnext-t_layer-wise.py"), ("b", "convnext-t_stage-wise.py")):
        command = [*LRDECAY, "inspect", f"sample_configs/{sample}", "--output", f"json={folder}/{name}.json"]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    a, b = f"{folder}/a.json", f"{folder}/b.json"
    plain = [sys.executable, "-c", PLAIN]
    cold = [*LRDECAY, "inspect", CONFIG, "--no-cache"]
    return {
        "--help / import typer": ([*LRDECAY, "--help"], TYPER),
        "schema / import typer": ([*LRDECAY, "schema"], TYPER),
        "diff a.json b.json / import typer": ([*LRDECAY, "diff", a, b], TYPER),
        "inspect, cold / plain script": (cold, plain),
        "inspect, cold, cache written / plain script": (
            ["sh", "-c", f"rm -rf {folder}/cache; exec {shlex.join([*LRDECAY, 'inspect', CONFIG])}"],
            plain,
        ),
        "inspect, warm / plain script": ([*LRDECAY, "inspect", CONFIG], plain),
        "inspect, warm, another view / plain script": ([*LRDECAY, "inspect", CONFIG, "-v"], plain),
        "inspect --device meta / plain script": ([*cold, "--device", "meta"], plain),
    }


def seconds(command: list[str]) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - start


def main() -> None:
    """Run the benchmarks that match and print their medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("match", nargs="?", default="", help="only figures whose name contains this")
    parser.add_argument("-n", type=int, default=9, help="runs of each command")
    arguments = parser.parse_args()
    print(f"{'figure':<46}{'ratio':>8}{'min':>8}{'max':>8}{'A (s)':>9}{'B (s)':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (command, other) in benchmarks(Path(folder)).items():
            if arguments.match not in name:
                continue
            seconds(command), seconds(other)
            pairs = [(seconds(command), seconds(other)) for _ in range(arguments.n)]
            ratios = [mine / theirs for mine, theirs in pairs]
            medians = [statistics.median(side) for side in zip(*pairs, strict=True)]
            print(
                f"{name:<46}{statistics.median(ratios):>8.3f}{min(ratios):>8.3f}{max(ratios):>8.3f}"
                f"{medians[0]:>9.3f}{medians[1]:>9.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
