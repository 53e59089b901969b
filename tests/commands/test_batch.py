"""``--gpus``, ``--batch-size`` and ``--auto-scale-lr`` have the same meaning in every command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lrdecay_cli.app.requests.sources import Request
from lrdecay_cli.app.shell.main import run
from lrdecay_cli.domain.training import Launch
from lrdecay_cli.files.schema import document_schema
from tests.openmmlab.test_batch import decaying, saved

SWITCHED_OFF = dict(auto_scale_lr=dict(base_batch_size=64))
SCALING = ("--gpus", "8", "--auto-scale-lr")


def output(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = run([*map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def config(tmp_path: Path) -> str:
    return saved(SWITCHED_OFF, tmp_path)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (("inspect",), "auto_scale_lr      every lr × 0.25: a batch of 2 on 8 GPUs / base_batch_size 64"),
        (("explain", "head.weight"), "base_lr * auto_scale_lr  0.01 * 0.25 = 0.0025"),
        (("schedule", "--iters-per-epoch", "5"), "every lr × 0.25: a batch of 2 on 8 GPUs / base_batch_size 64"),
        (("dry-run", "--iters-per-epoch", "5"), "LRD812 lr-scaled-by-batch: auto_scale_lr multiplies every lr by 0.25"),
        (("check", "--select", "LRD823"), "no findings"),
        (
            ("check", "--select", "LRD309"),
            "base lr × 0.25 (auto_scale_lr) is 0.0025, and other groups have up to 0.0025",
        ),
        (("check", "--select", "LRD309"), "auto_scale_lr does not scale base_lr in the log"),
        (("check", "--select", "LRD3"), "1 info in 1 config"),
    ],
)
def test_each_command_scales(
    command: tuple[str, ...], line: str, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *more = command
    patterns = [each for each in more if name == "explain"]
    options = [each for each in more if name != "explain"]
    code, out, err = output(capsys, name, config, *patterns, *SCALING, *options)
    assert (code, err) == (0, "")
    assert line in " ".join(out.split()) or line in out


def test_maps_carry_the_factor_on(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maps = {}
    for gpus in ("8", "32"):
        _, out, _ = output(capsys, "inspect", config, "--gpus", gpus, "--auto-scale-lr", "--format", "json")
        document: dict[str, Any] = json.loads(out)
        Draft202012Validator(document_schema("map")).validate(document)
        maps[gpus] = tmp_path / f"{gpus}.json"
        maps[gpus].write_text(out)
    code, out, _ = output(capsys, "diff", maps["8"], maps["32"])
    assert code == 1
    assert "auto_scale_lr alone makes every lr of the second config 4 times the lr of the first config" in out
    assert output(capsys, "diff", maps["8"], config, *SCALING)[0] == 0
    folder = tmp_path / "baselines"
    assert output(capsys, "baseline", config, "-o", folder, *SCALING)[0] == 0
    assert output(capsys, "check", config, "--baseline", folder, "--select", "LRD701", *SCALING)[0] == 0
    code, out, _ = output(capsys, "check", config, "--baseline", folder, "--select", "LRD701")
    assert code == 1
    assert "lr_factor 0.25 → –, gpus 8 → – since the baseline: lr of" in out


@pytest.mark.parametrize("option", [("--gpus", "2"), ("--batch-size", "4"), ("--auto-scale-lr",)])
@pytest.mark.parametrize("command", [("inspect",), ("check",), ("explain", "head.weight")])
def test_a_map_alone_is_not_for_a_batch(
    command: tuple[str, ...], option: tuple[str, ...], config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported = tmp_path / "map.json"
    exported.write_text(output(capsys, "inspect", config, "--format", "json")[1])
    code, out, err = output(capsys, command[0], exported, *command[1:], *option)
    assert (code, out) == (2, "")
    assert err == (
        f"lrdecay: {' '.join(option)}: the option needs a config, because lrdecay cannot build an exported map or a"
        " checkpoint again; give a config\n"
    )


def test_weight_decay_that_depends_on_gpus_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = decaying("ByMmengine", 16, tmp_path)
    code, out, _ = output(capsys, "check", config, "--select", "LRD82")
    assert code == 0
    assert (
        "warning: LRD823 number-of-gpus-assumed: weight decay depends on the number of GPUs, assumed to be 1: weight"
        " decay of group_0: 0.0005 on 1 GPU, 0.001 on 8 GPUs" in out
    )
    assert (
        "LRD824 two-batch-sizes: optimizer.batch_size_per_gpu is 16, but the dataloader's batch size per GPU is 2"
        in out
    )
    assert "LRD823" not in output(capsys, "check", config, "--select", "LRD82", "--gpus", "8")[1]
    _, out, _ = output(capsys, "dry-run", config, "--iters-per-epoch", "5", "--gpus", "8")
    assert "base_weight_decay * (gpus * batch_size_per_gpu * 1 / 64) = 0.0005 * (8 * 16 * 1 / 64) = 0.001" in out


def test_a_cached_map_is_for_its_own_batch(config: str) -> None:
    def key(launch: Launch) -> str | None:
        request = Request.of((), "cpu", verbose=False, exact=False, no_cache=False, launch=launch)
        request.caching.wanted = True
        return request.caching._key(config)

    launches = [Launch(), Launch(1), Launch(8), Launch(8, 2), Launch(8, 2, True), Launch(None, 2), Launch(None, 8)]
    keys = [key(launch) for launch in launches]
    assert None not in keys
    assert len({*keys}) == len(launches)
