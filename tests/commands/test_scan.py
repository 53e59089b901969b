"""``scan`` and ``merge`` end to end, with real builds of configs."""

from __future__ import annotations

import csv
import json
import os
import signal
from io import StringIO
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.commands.projects import WIDTHS, two_projects
from tests.commands.running import lrdecay, lrdecay_in_terminal, wait_until

SMALL = """
default_scope = "mmpretrain"
model = dict(type="ImageClassifier", backbone=dict(type="ConvNeXt", arch="atto"))
optim_wrapper = dict(optimizer=dict(type="AdamW", lr=1e-4, weight_decay=0.05))
"""
CONFIGS = {
    "small.py": SMALL,
    "base_only.py": "train_cfg = dict()",
    "no_optimizer.py": 'model = dict(type="ImageClassifier")',
    "misspelt.py": SMALL.replace("ConvNeXt", "ConvNext"),
    "ends_it_all.py": f'__import__("os")._exit(7)\n{SMALL}',
    "never_ends.py": f'__import__("time").sleep(600)\n{SMALL}',
}
STATUSES = {
    "small.py": "ok",
    "base_only.py": "no-model",
    "no_optimizer.py": "no-optim-wrapper",
    "misspelt.py": "error",
    "ends_it_all.py": "crashed",
    "never_ends.py": "timeout",
    "one/config.py": "ok",
    "two/config.py": "ok",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a config for every status, and two projects with modules of the same name."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in CONFIGS.items():
        (folder / name).write_text(text)
    two_projects(folder)
    return folder


@pytest.fixture(scope="module")
def scanned(project: Path) -> Path:
    """The folder with the reports and maps of one scan of the project, and its journal."""
    out = project / "out"
    out.mkdir()
    outputs = [f"--output={name}={out}/scan.{name}" for name in ("json", "ndjson", "csv", "text", "markdown")]
    targets = [name for name in STATUSES if "/" not in name]
    options = ["--jobs", "4", "--timeout", "8", "--maps", "out/maps", "--resume", "out/journal", "--device", "meta"]
    result = lrdecay("scan", *targets, "one", "two", *options, *outputs, cwd=project)
    assert (result.code, result.err) == (1, "")
    assert result.out == (out / "scan.text").read_text()
    return out


def test_every_config_ends_in_its_status(scanned: Path) -> None:
    document = json.loads((scanned / "scan.json").read_text())
    assert {record["config"]: record["status"] for record in document["records"]} == STATUSES
    assert [record["config"] for record in document["records"]] == sorted(STATUSES)
    schema = json.loads(lrdecay("schema", "scan").out)
    Draft202012Validator(schema).validate(document)


def test_every_format_has_every_config(scanned: Path) -> None:
    lines = [json.loads(line) for line in (scanned / "scan.ndjson").read_text().splitlines()]
    assert lines == json.loads((scanned / "scan.json").read_text())["records"]
    rows = list(csv.DictReader(StringIO((scanned / "scan.csv").read_text())))
    assert {row["config"]: row["status"] for row in rows} == STATUSES
    for name in ("text", "markdown"):
        assert all(config in (scanned / f"scan.{name}").read_text() for config in STATUSES)
    assert (scanned / "scan.text").read_text().splitlines()[-1] == (
        "8 configs: 3 ok, 1 crashed, 1 error, 1 no-model, 1 no-optim-wrapper, 1 timeout"
    )


def test_projects_with_modules_of_the_same_name_get_their_own(scanned: Path) -> None:
    for name, width in WIDTHS.items():
        group_map = json.loads((scanned / "maps" / name / "config.json").read_text())
        shapes = {p["name"]: p["shape"] for group in group_map["groups"] for p in group["parameters"]}
        assert shapes == {f"{name}.weight": [1, width], f"{name}.bias": [1]}


def test_a_map_is_the_one_that_inspect_writes(scanned: Path, project: Path) -> None:
    inspected = lrdecay("inspect", "small.py", "--device", "meta", "--format", "json", cwd=project)
    assert (scanned / "maps" / "small.json").read_text() == inspected.out
    assert not (scanned / "maps" / "misspelt.json").exists()


def test_configs_in_the_journal_are_not_built_again(scanned: Path, project: Path) -> None:
    journal = scanned / "journal"
    options = ["--resume", journal, "--device", "meta", "--format", "json", "--jobs", "4", "--timeout", "8"]
    again = lrdecay("scan", *STATUSES, *options, cwd=project)
    assert again.out == (scanned / "scan.json").read_text()
    # With a record that no build would give, so that its source is clear.
    journal.write_text(journal.read_text().replace('"groups":1,"tensors":2', '"groups":1,"tensors":777'))
    resumed = json.loads(lrdecay("scan", "one", "two", *options, cwd=project).out)
    assert [record["tensors"] for record in resumed["records"]] == [777, 777]


def test_shards_merge_to_the_whole(project: Path, scanned: Path) -> None:
    names = ["small.py", "base_only.py", "no_optimizer.py"]
    whole = lrdecay("scan", *names, "--device", "meta", "--format", "json", cwd=project)
    assert whole.code == 0, whole.err
    for index in (1, 2):
        shard = lrdecay("scan", *names, "--device", "meta", "--format", "json", "--shard", f"{index}/2", cwd=project)
        (scanned / f"shard-{index}.json").write_text(shard.out)
    merged = lrdecay("merge", "shard-2.json", "shard-1.json", "--format", "json", cwd=scanned)
    assert (merged.code, merged.out) == (0, whole.out)
    half = lrdecay("merge", "shard-1.json", cwd=scanned)
    assert (half.code, half.out) == (2, "")
    assert "shard-1.json: shard 2/2 is missing" in half.err
    twice = lrdecay("merge", "shard-1.json", "shard-1.json", cwd=scanned)
    assert twice.code == 2
    assert "base_only.py is also in shard-1.json; give the file of each shard only once" in twice.err
    assert "torch" not in lrdecay("merge", "scan.json", cwd=scanned, PYTHONVERBOSE="").err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no config found"),
        (["small.py", "--shard", "3/2"], "--shard: '3/2' is not a shard"),
        (["small.py", "--shard", "2/2"], "there are fewer configs than shards"),
        (["small.py", "--jobs", "0"], "--jobs: is too small"),
        (["small.py", "--memory", "1e300"], "--memory: is too large; give the limit in GiB"),
        (["small.py", "--gpus", "1" + 400 * "0"], "--gpus: is too large; give at most 1,000,000"),
        (["small.py", "--batch-size", "1" + 400 * "0"], "--batch-size: is too large; give at most 1,000,000,000"),
        (["small.py", "--format", "ndjsn"], "unknown format 'ndjsn'; did you mean ndjson?"),
        (["small.py", "--resume", "small.py"], "small.py:1: the file is not the journal of a scan"),
        (["small.py", "--dask", "tcp://127.0.0.1:9"], "tcp://127.0.0.1:9: no Dask scheduler answers"),
    ],
)
def test_a_failed_scan_is_one_line(project: Path, arguments: list[str], message: str) -> None:
    result = lrdecay("scan", *arguments, cwd=project)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1


def test_an_interrupted_scan_can_continue_without_loss(project: Path) -> None:
    journal = project / "interrupted"

    def interrupt(pid: int) -> None:
        wait_until(lambda: journal.exists() and b"small.py" in journal.read_bytes(), pid)
        os.kill(pid, signal.SIGINT)

    options = ["--jobs", "2", "--device", "meta", "--resume", journal]
    ended = lrdecay("scan", "small.py", "never_ends.py", *options, cwd=project, meanwhile=interrupt)
    assert (ended.code, ended.out) == (130, "")
    assert ended.err == f"lrdecay: interrupted: 1 of 2 configs done; resume with --resume {journal}\n"
    assert "small.py" in journal.read_text()


def test_progress_is_shown_on_a_terminal(project: Path) -> None:
    shown = lrdecay_in_terminal("scan", project / "base_only.py", project / "small.py", "--device", "meta")
    assert shown.code == 0
    assert "scanning" in shown.out
    assert "2/2" in shown.out
