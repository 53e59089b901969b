"""List the measured pairs of commands, with goals for their ratios."""

from __future__ import annotations

import random
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lrdecay_cli.scanning.targets import configs_of
from tests.benchmarks.measuring import ROOT, run

LRDECAY = (sys.executable, "-m", "lrdecay_cli")
IMPORT_TYPER = (sys.executable, "-c", "import typer")
IMPORT_TORCH = (sys.executable, "-c", "import torch")
CONVNEXT = "mmdet::convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py"
# Fourteen learning rates, warm-up and cosine by iteration.
BY_ITERATION = "mmpretrain::mae/benchmarks/vit-base-p16_8xb128-coslr-100e_in1k.py"
DINO = "mmdet::dino/dino-5scale_swin-l_8xb2-36e_coco.py"
# A billion parameters, more than any other trainable model of both zoos.
LARGEST = "mmpretrain::eva/eva-g-p14_8xb16_in1k-560px.py"
# Cold: without the cache.
COLD = {"LRDECAY_NO_CACHE": "1"}


@dataclass(frozen=True)
class Figure:
    """Two commands, ``a`` and ``b``, to compare."""

    name: str
    a: Sequence[str]
    b: Sequence[str]
    measure: str = "wall"
    """``wall``, ``cpu`` or ``peak`` of the runs."""
    reach: float | None = None
    beyond: float | None = None
    codes: tuple[int, int] = (0, 0)
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables for ``a`` only."""
    at_most: int = 100
    """Largest number of runs, for commands that take long."""
    times: float = 1.0
    """Amount of work of ``a`` as a multiple of the work of ``b``."""


def figures(folder: Path) -> list[Figure]:
    """Return every figure; files that the commands need are written to ``folder``."""
    return [*_cold(), *_cached(folder), *_memory(), *_without_torch(folder), _schedule(), *_dry_run(), _scan()]


def _cold() -> list[Figure]:
    plain = _plain(CONVNEXT)
    return [
        Figure("inspect, cold / plain script", _inspect(CONVNEXT), plain, "wall", 0.20, 0.16, environment=COLD),
        Figure("inspect, cold / import torch", _inspect(CONVNEXT), IMPORT_TORCH, "wall", 0.75, 0.6, environment=COLD),
        Figure("inspect --device meta / plain", _inspect(CONVNEXT, "--device", "meta"), plain, environment=COLD),
        Figure("inspect --exact / plain", _inspect(CONVNEXT, "--exact"), plain, environment=COLD),
    ]


def _cached(folder: Path) -> list[Figure]:
    plain, cached = _plain(CONVNEXT), {"LRDECAY_NO_CACHE": "", "LRDECAY_CACHE_DIR": f"{folder}/cache"}
    emptied = f"rm -rf {shlex.quote(f'{folder}/cache')}; exec {shlex.join(_inspect(CONVNEXT))}"
    return [
        Figure("cold, cache written / plain", ("sh", "-c", emptied), plain, "wall", 0.35, 0.30, environment=cached),
        Figure("inspect, warm / plain script", _inspect(CONVNEXT), plain, "wall", 0.02, 0.01, environment=cached),
        *_checked(folder, cached),
        Figure("warm, another view / plain", _inspect(CONVNEXT, "--by", "layer", "-v"), plain, environment=cached),
    ]


def _checked(folder: str | Path, cached: Mapping[str, str]) -> list[Figure]:
    """Compare twelve unchanged configs with one base with a new build of them, and a hundred configs with one."""
    for count in (12, 100):
        configs = Path(folder) / f"configs_{count}"
        configs.mkdir()
        for number in range(count):
            text = f"_base_ = {CONVNEXT!r}\nrandomness = dict(seed={number})\n"
            (configs / f"{number}.py").write_text(text, "utf-8")
    check, of_100, of_one = (
        (*LRDECAY, "check", f"{folder}/{configs}", "--exit-zero", "--no-settings")
        for configs in ("configs_12", "configs_100", "configs_100/0.py")
    )
    anew = ("env", "LRDECAY_NO_CACHE=1", *check)
    of_one = ("env", *(f"{name}={value}" for name, value in cached.items()), *of_one)
    alone = (*LRDECAY, "inspect", CONVNEXT)
    return [
        Figure("check of 12, unchanged / built", check, anew, "cpu", 1 / 20, 1 / 50, environment=cached, at_most=3),
        Figure("check of 100, unchanged / of one", of_100, of_one, "cpu", 3, 2, environment=cached, at_most=5),
        Figure(
            "check of 12 unchanged configs, warm / inspect of one config",
            check,
            alone,
            "cpu",
            environment=cached,
            at_most=5,
        ),
    ]


def _schedule() -> Figure:
    """Compare every iteration of a hundred epochs with a plain script that only builds the groups."""
    million = (*LRDECAY, "schedule", BY_ITERATION, "--iters-per-epoch", "10000", "--format", "csv")
    return Figure("schedule, a million iterations / plain", million, _plain(BY_ITERATION), environment=COLD, at_most=3)


def _dry_run() -> list[Figure]:
    """Compare 36 epochs with a plain script that only builds the groups; also memory and a larger detector."""
    convnext, dino = ((*LRDECAY, "dry-run", config, "--iters-per-epoch", "7330") for config in (CONVNEXT, DINO))
    return [
        Figure("dry-run of 36 epochs / plain script", convnext, _plain(CONVNEXT), "wall", 0.5, 0.35),
        Figure("dry-run, DINO Swin-L / ConvNeXt-T", dino, convnext, "wall", 2, 1.5),
        Figure("dry-run, peak / inspect", convnext, _inspect(CONVNEXT, "--no-cache"), "peak", 1.2, 1.1, at_most=3),
    ]


def _scan() -> Figure:
    """Compare a scan of mmdet's whole zoo with a plain process for each of 40 configs, drawn with a fixed seed."""
    zoo = configs_of(["mmdet::"])
    drawn = random.Random(0).sample(zoo, 40)
    each = "; ".join(f"{shlex.join(_plain(config))}" for config in drawn)
    times = len(zoo) / len(drawn)
    scan = (*LRDECAY, "scan", "mmdet::", "--format", "csv")
    one_each = ("sh", "-c", f"{each}; true")
    return Figure(
        f"scan of {len(zoo)} / plain each", scan, one_each, "wall", 1 / 60, 1 / 90, (1, 0), at_most=1, times=times
    )


def _memory() -> list[Figure]:
    convnext, largest = _inspect(CONVNEXT), _inspect(LARGEST)
    return [
        Figure(
            "peak memory of inspect, ConvNeXt-T / of the plain script",
            convnext,
            _plain(CONVNEXT),
            "peak",
            0.45,
            0.35,
            environment=COLD,
            at_most=5,
        ),
        Figure(
            "peak memory of inspect, EVA-g / of the plain script",
            largest,
            _plain(LARGEST),
            "peak",
            0.1,
            0.05,
            environment=COLD,
            at_most=3,
        ),
    ]


def _without_torch(folder: Path) -> list[Figure]:
    maps = [f"{folder}/{name}.json" for name in "ab"]
    for path, sample in zip(maps, ("layer-wise", "stage-wise"), strict=True):
        run(_inspect(f"sample_configs/convnext-t_{sample}.py", "--output", f"json={path}"), 0)
    settings = f"{folder}/lrdecay.toml"
    Path(settings).write_text('fail-on = "warning"\nselect = ["LRD"]\n', encoding="utf-8")
    check = (*LRDECAY, "check", maps[0], "--exit-zero", "--no-settings")
    with_settings = (*LRDECAY, "check", maps[0], "--exit-zero", "--settings", settings)
    return [
        Figure("diff a.json b.json / import typer", (*LRDECAY, "diff", *maps), IMPORT_TYPER, "wall", 2, 1.5, (1, 0)),
        Figure("check a.json / diff a.json b.json", check, (*LRDECAY, "diff", *maps), codes=(0, 1)),
        Figure("check with settings / without", with_settings, check),
        Figure("--help / import typer", (*LRDECAY, "--help"), IMPORT_TYPER),
        Figure("schema / import typer", (*LRDECAY, "schema"), IMPORT_TYPER),
    ]


def _inspect(config: str, *options: str) -> tuple[str, ...]:
    return (*LRDECAY, "inspect", config, *options)


def _plain(config: str) -> tuple[str, ...]:
    from lrdecay_cli.files import find_config

    return (sys.executable, str(ROOT / "tests/benchmarks/plain_script.py"), str(find_config(config)))
