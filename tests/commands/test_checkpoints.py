"""Checkpoints on the command line: ``inspect``, ``diff`` and ``check`` accept them and explain their numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.files import read_map
from lrdecay_cli.files.config_text import settings_of
from lrdecay_cli.files.schema import document_schema
from tests.commands.running import lrdecay
from tests.openmmlab.runs import Run, train


@pytest.fixture(scope="module")
def unnamed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training whose constructor records no parameter names."""
    return train("custom_keys", tmp_path_factory.mktemp("unnamed"))


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training with mmdet's decay constructor, which records parameter names."""
    return train("mmdet_decay", tmp_path_factory.mktemp("named"))


def text_of(folder: Path, *arguments: object, code: int = 0) -> str:
    """Return the text output of a command, which must end with ``code``."""
    assert run([*map(str, arguments), "-o", f"text={folder}/report.txt"]) == code
    return (folder / "report.txt").read_text()


def test_inspect_names_the_source_of_names_and_numbers(unnamed: Run, named: Run, tmp_path: Path) -> None:
    by_config = text_of(tmp_path, "inspect", unnamed.checkpoint, "--config", unnamed.config)
    assert (
        f"checkpoint         {unnamed.checkpoint}\nsaved              epoch 1, iteration 3, mmengine 0.10\n"
        in by_config
    )
    position = f"each parameter has the name at the same position in the groups of {unnamed.config}"
    assert f"names              {position}\n" in by_config
    assert "the lr is the saved lr, which schedulers set" in by_config
    assert by_config.splitlines()[-1].endswith("2 frozen; 0 missing; 0 duplicates")
    recorded = text_of(tmp_path, "inspect", named.checkpoint, "--by", "layer")
    assert "names              each parameter has the name that the constructor recorded\n" in recorded
    assert "backbone.stages.2.{0-2}.*" in recorded


def test_explain_takes_the_config_that_names_them(unnamed: Run, tmp_path: Path) -> None:
    text = text_of(tmp_path, "explain", unnamed.checkpoint, "*.bias", "--config", unnamed.config)
    assert re.search(r"^\d+ tensors explained: \d+ observed", text, re.M), text


def test_a_map_names_a_checkpoint_as_its_config_does(unnamed: Run, tmp_path: Path) -> None:
    exported, json_map = tmp_path / "config.json", tmp_path / "checkpoint.json"
    assert run(["inspect", str(unnamed.config), "-o", f"json={exported}"]) == 0
    assert run(["inspect", str(unnamed.checkpoint), "--config", str(exported), "-o", f"json={json_map}"]) == 0
    Draft202012Validator(document_schema("map")).validate(json.loads(json_map.read_text()))
    assert read_map(str(json_map)).checkpoint
    again = text_of(tmp_path, "diff", json_map, unnamed.checkpoint, "--config", unnamed.config)
    assert again.splitlines()[-1] == "same: 8 tensors"


def test_diff_reports_the_values_of_a_resume(unnamed: Run, tmp_path: Path) -> None:
    text = text_of(tmp_path, "diff", unnamed.config, unnamed.checkpoint, code=1)
    assert re.search(r"^head\.\* +0\.01 → 0\.001 +×0\.1 +2$", text, re.M)
    assert f"a resumed training uses the groups of {unnamed.checkpoint}" in text
    assert "training began with the config's lr, and schedulers have changed the lr since then" in text
    assert run(["diff", str(unnamed.config), str(unnamed.checkpoint), "--only", "lr_scale,weight_decay"]) == 0
    changed = text_of(
        tmp_path, "diff", unnamed.checkpoint, unnamed.config, "--cfg-options", "optim_wrapper.optimizer.lr=0.5", code=1
    )
    assert "warning: training did not begin with the config's current lr: 6 of 6 tensors" in changed


def test_diff_with_a_config_that_cannot_resume(named: Run, tmp_path: Path) -> None:
    text = text_of(
        tmp_path, "diff", named.config, named.checkpoint,
        "--cfg-options", "optim_wrapper.paramwise_cfg.decay_type=stage_wise", code=1,
    )  # fmt: skip
    assert f"warning: {named.config} cannot resume from this checkpoint\n  14 groups in the checkpoint, 12 in" in text
    assert "resumed run uses" not in text


def test_explain_takes_a_checkpoint(unnamed: Run, tmp_path: Path) -> None:
    text = text_of(tmp_path, "explain", unnamed.checkpoint, "head", "--config", unnamed.config)
    assert "head.* (2 tensors): in 2 groups" in text
    assert "read from a checkpoint, saved after schedulers changed the lrs of the constructor" in text


def test_baseline_takes_a_checkpoint(unnamed: Run, tmp_path: Path) -> None:
    assert (
        run(
            [
                "baseline",
                str(unnamed.checkpoint),
                "-o",
                f"{tmp_path}/golden",
                "--config",
                str(unnamed.config),
                "--form",
                "json",
            ]
        )
        == 0
    )
    (written,) = (tmp_path / "golden").rglob("*.json")
    assert read_map(str(written)).checkpoint


def test_check_takes_a_checkpoint(named: Run, tmp_path: Path) -> None:
    clean = text_of(tmp_path, "check", named.checkpoint, "--ignore", "LRD309")
    assert clean.splitlines()[-1].startswith("no findings")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "{checkpoint}"], "contains no parameter names: its 6 parameters have only positions"),
        (["explain", "{checkpoint}", "head"], "contains no parameter names: its 6 parameters have only"),
        (["schedule", "{checkpoint}"], "the file is a checkpoint; schedule needs a config; give the config"),
        (["inspect", "{config}", "--config", "{config}"], "--config: needs a checkpoint"),
        (
            ["inspect", "{checkpoint}", "--config", "{checkpoint}"],
            "--config: lrdecay cannot take the parameter names of a checkpoint from another checkpoint",
        ),
        (["inspect", "{checkpoint}", "--config", "nowhere.py"], "nowhere.py: no such config"),
        (["inspect", "{checkpoint}", "--cfg-options", "a=1"], "--cfg-options: there is no config to override"),
        (
            ["diff", "{checkpoint}", "{checkpoint}"],
            "give the training's config, which has the names: --config {checkpoint.parent}",
        ),
    ],
)
def test_an_unprintable_name_is_one_line(
    unnamed: Run, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [argument.format(checkpoint=unnamed.checkpoint, config=unnamed.config) for argument in arguments]
    assert run(named) == 2
    err = capsys.readouterr().err
    assert message.format(checkpoint=unnamed.checkpoint) in err
    assert len(err.splitlines()) == 1


def test_no_report_of_a_checkpoint_is_cached(unnamed: Run, tmp_path: Path) -> None:
    """The cache has only the result for the config; the checkpoint may change before the next call."""
    path = tmp_path / "last.pth"
    path.write_bytes(unnamed.checkpoint.read_bytes())
    call = ["inspect", path, "--config", unnamed.config]
    environment = {"LRDECAY_NO_CACHE": "", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert lrdecay(*call, **environment).code == 0
    path.write_bytes(b"")
    assert "is empty" in lrdecay(*call, **environment).err


TEXTS = [
    (
        "a = dict(b=[1, -2.5, 'x', None, True], c=dict(d=(1, 2)))\n",
        {"a": {"b": [1, -2.5, "x", None, True], "c": {"d": [1, 2]}}},
    ),
    ("a = {'b.c': 1}\n", {"a": {"b.c": 1}}),
    ("a = dict(b=inf, c=(-inf, nan), d=1e999)", {"a": {"b": "Infinity", "c": ["-Infinity", "NaN"], "d": "Infinity"}}),
    ("a = infinity", {}),
    # A value that is not a literal is unknown; the values beside it are known.
    ("a = dict(b=torch.float16, c=1, d=array([2]))\ne = 2\n", {"a": {"c": 1}, "e": 2}),
    ("a = [dict(b=1), f(2)]\ne = 2", {"e": 2}),
    ("a = dict(b={**c}, d=1)\ne = 2", {"e": 2}),
    ("a = lambda: 1\ne = '''two\n  lines'''\nf = 3", {"e": "two\n  lines", "f": 3}),
    ("a = b" + ".c" * 100000, {}),
    ("a = __import__('os').system('true')", {}),
    ("a = dict(**b)", {}),
    ("a = dict(1)", {}),
    ("import os", {}),
    ("a = 1\na.b = 2", {}),
    ("a, b = 1, 2", {}),
    ("a = b = 1", {}),
    ("a = lambda: 1", {}),
    ("a = " + "(" * 5000 + ")" * 5000, {}),
    ("a = " + "-" * 100000 + "1", {}),
    ("a = dict" + "()" * 100000, {}),
    ("a = " + "not " * 100000 + "1", {}),
    ("a = '", {}),
    ("a" * 2**21, {}),
    (b"a = 1", {}),
    (None, {}),
]


@pytest.mark.parametrize(("text", "value"), TEXTS, ids=range(len(TEXTS)))
def test_the_text_of_a_config_is_read_and_never_run(text: object, value: dict[str, object]) -> None:
    assert settings_of(text) == value
