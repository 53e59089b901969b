"""``lrdecay baseline`` and ``check --baseline``."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch

import lrdecay_cli
from lrdecay_cli.checking.baseline_files import SUFFIXES, BaselineFile, baseline_path, baselines_in, lost_configs
from lrdecay_cli.checking.baseline_text import to_text
from lrdecay_cli.domain.group_map import Tool
from lrdecay_cli.domain.training import Constructor
from lrdecay_cli.files import read_map
from tests.checking.maps import decay_map, write
from tests.commands.running import SAMPLES, Run, lrdecay


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    for name in "ab":
        write(tmp_path / f"maps/{name}.json", decay_map(config=f"configs/{name}.py"))
    return tmp_path / "maps"


def states(out: str) -> dict[str, tuple[str, int | None]]:
    return {baseline["config"]: (baseline["state"], baseline["changes"]) for baseline in json.loads(out)["baselines"]}


@pytest.mark.parametrize("form", ["text", "json"])
def test_written_unchanged_and_updated(form: str, maps: Path, here: Run) -> None:
    """Each baseline keeps its form, which is reported once."""

    def baseline(*options: str) -> dict[str, tuple[str, int | None]]:
        return states(here("baseline", "maps", "-o", "golden", "--format", "json", *options).out)

    def written() -> str:
        return to_text(read_map(str(maps / "a.json"))) if form == "text" else (maps / "a.json").read_text()

    golden = maps.parent / f"golden/configs/a{SUFFIXES[form]}"
    form_option = [] if form == "text" else ["--form", form]
    assert baseline("--check") == {"configs/a.py": ("missing", None), "configs/b.py": ("missing", None)}
    assert not golden.exists()
    assert baseline(*form_option) == {"configs/a.py": ("written", None), "configs/b.py": ("written", None)}
    assert golden.read_text() == written()
    os.utime(golden, (0, 0))
    assert baseline() == {"configs/a.py": ("unchanged", 0), "configs/b.py": ("unchanged", 0)}
    # The versions differ but the groups do not: nothing has to be updated.
    write(maps / "a.json", msgspec.structs.replace(decay_map(), stack={"torch": "9"}, tool=Tool("lrdecay", "9")))
    assert baseline()["configs/a.py"] == ("unchanged", 0)
    assert golden.stat().st_mtime == 0
    write(maps / "a.json", decay_map(lr=0.2))
    assert baseline("--check")["configs/a.py"] == ("outdated", 5)
    assert golden.stat().st_mtime == 0
    assert baseline()["configs/a.py"] == ("updated", 5)
    assert golden.read_text() == written()
    # An option that changes no parameter is still part of the config.
    options = Constructor("LearningRateDecayOptimizerConstructor", {"decay_rate": 0.7, "num_layers": 2})
    write(maps / "a.json", msgspec.structs.replace(decay_map(lr=0.2), constructor=options))
    assert baseline()["configs/a.py"] == ("updated", 0)
    # A baseline in the other form is another file, and the old one is removed.
    other = "json" if form == "text" else "text"
    assert baseline("--form", other)["configs/a.py"] == ("written", None)
    assert sorted(path.name for path in golden.parent.iterdir()) == [f"{name}{SUFFIXES[other]}" for name in "ab"]


def test_update_changes_existing_baselines(maps: Path, here: Run) -> None:
    """In any working directory, each baseline keeps its form; a map's config is the config that it records."""
    here("baseline", "maps/a.json", "-o", "golden")
    here("baseline", "maps/b.json", "-o", "golden", "--form", "json")
    for name in "ab":
        (maps.parent / f"configs/{name}.py").parent.mkdir(exist_ok=True)
        (maps.parent / f"configs/{name}.py").touch()
    for above in ("", "../"):
        assert [*baselines_in(f"{above}golden")] == [
            BaselineFile(f"{above}golden/configs/{name}", f"{above}configs/{name[0]}.py")
            for name in ("a.txt", "b.json")
        ]
        os.chdir(maps)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--update", "maps"],
            "--update: this option updates all existing baselines, so no configs can be given; leave out --update or "
            "the configs",
        ),
        (["--update", "-o", "none"], "--output: no directory none; make baselines: lrdecay baseline CONFIGS"),
        (["--update", "-o", "empty"], "empty: no baseline found; create a baseline: lrdecay baseline CONFIGS -o empty"),
        ([], "baseline: no configs; name configs, or update the existing baselines with --update"),
        (["maps", "-o", "golden", "--form", "yaml"], "--form: unknown form 'yaml'; one of text, json"),
        (["maps/a.json", "-o", "both"], "configs/a.py: the config has two baselines, both/configs/a.txt and a.json; "),
    ],
)
def test_errors_of_update_and_forms(arguments: list[str], message: str, maps: Path, here: Run) -> None:
    (maps.parent / "empty").mkdir()
    for form in ("txt", "json"):
        (maps.parent / "both/configs").mkdir(parents=True, exist_ok=True)
        (maps.parent / f"both/configs/a.{form}").touch()
    result = here("baseline", *arguments)
    assert (result.code, result.err.startswith(f"lrdecay: {message}")) == (2, True), result.err


def test_exit_codes(maps: Path, here: Run) -> None:
    assert here("baseline", "maps", "-o", "golden", "--check").code == 1
    assert here("baseline", "maps", "-o", "golden").code == 0
    assert here("baseline", "maps", "-o", "golden", "--check").code == 0
    (maps / "c.json").write_text('{"schema_version": 1, "groups": []}')
    broken = here("baseline", "maps", "-o", "golden")
    assert broken.code == 2
    assert "could not be checked: 1 config" in broken.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["maps"], "--output: the directory for the baselines is not given; give a directory: -o baselines/"),
        (["maps", "-o", "maps/a.json"], "--output: maps/a.json is not a directory; give a directory: -o baselines/"),
        (["maps", "maps2", "-o", "golden"], "--output: the baselines of configs/a.py and "),
        (
            ["maps", "-o", "text"],
            "text/configs/a.txt: the file is not a baseline, so lrdecay does not overwrite it; move",
        ),
        (
            ["maps", "-o", "taken"],
            "taken/configs/a.json: the file is not a group map, so lrdecay does not overwrite it; move",
        ),
        (["maps", "-o", "blocked"], "blocked/configs/a.txt: cannot write: "),
    ],
)
def test_refused_arguments(arguments: list[str], message: str, maps: Path, here: Run) -> None:
    write(maps.parent / "maps2/a.json", decay_map(config="./configs/a.py"))
    (maps.parent / "taken/configs").mkdir(parents=True)
    (maps.parent / "taken/configs/a.json").write_text('{"model": {}}')
    (maps.parent / "text/configs").mkdir(parents=True)
    (maps.parent / "text/configs/a.txt").write_text("notes of somebody")
    (maps.parent / "blocked").mkdir()
    (maps.parent / "blocked/configs").write_text("a file")
    result = here("baseline", *arguments)
    assert result.code == 2
    assert result.err.startswith(f"lrdecay: {message}"), result.err
    assert (maps.parent / "taken/configs/a.json").read_text() == '{"model": {}}'


def test_a_damaged_baseline_is_rewritten_and_refused_by_check(maps: Path, here: Run) -> None:
    golden = maps.parent / "golden/configs/a.json"
    golden.parent.mkdir(parents=True)
    golden.write_text('{"schema_version": 1, "groups": []}')
    refused = here("check", "--select", "LRD7", "maps/a.json", "--baseline", "golden")
    assert (refused.code, refused.err.count("golden/configs/a.json: ")) == (2, 1)
    assert states(here("baseline", "maps/a.json", "-o", "golden", "-f", "json").out)["configs/a.py"][0] == "updated"
    assert here("check", "--select", "LRD7", "maps/a.json", "--baseline", "golden").code == 0


def test_differences_are_findings(maps: Path, here: Run) -> None:
    here("baseline", "maps", "-o", "golden")
    write(maps / "a.json", decay_map(lr=0.2))
    result = here("check", "--select", "LRD7", "maps", "--baseline", "golden", "--format", "json")
    assert result.code == 1
    (finding,) = json.loads(result.out)["findings"]
    assert (finding["code"], finding["config"]) == ("LRD701", "configs/a.py")
    assert len(finding["parameters"]) == 5
    assert finding["message"] == (
        "base_lr 0.1 → 0.2 since the baseline: lr of 5 tensors 0.049 → 0.098, 0.07 → 0.14, 0.1 → 0.2"
    )
    assert (
        finding["fix"] == "see all differences with: lrdecay diff golden/configs/a.txt maps/a.json; "
        "if they are intended, run: lrdecay baseline maps -o golden"
    )
    result = here("check", "--select", "LRD7", "maps/a.json", "--baseline", "golden/configs/b.txt")
    assert "LRD701" in result.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["maps/a.json", "--baseline", "golden"], "make it with: lrdecay baseline maps/a.json -o golden"),
        (["maps/a.json", "--baseline", "g.json"], "make it with: lrdecay inspect maps/a.json --output json=g.json"),
        (["maps", "--baseline", "nowhere"], "--baseline: no directory nowhere; make it with: lrdecay baseline maps -o"),
        (["maps", "--baseline", "map"], "--baseline: no directory map; did you mean maps?"),
        (["maps", "--baseline", "maps/a.json"], "--baseline: maps/a.json is a single file, but 2 configs need"),
    ],
)
def test_a_missing_baseline_names_the_command_to_create_it(
    arguments: list[str],
    message: str,
    maps: Path,
    here: Run,
) -> None:
    result = here("check", "--select", "LRD7", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def conflict(path: Path) -> None:
    path.write_text(f"<<<<<<< ours\n{path.read_text()}")


BROKEN: dict[str, tuple[str, list[str], Callable[[Path], None]]] = {
    "no folder": ("maps", ["baseline", "maps", "-o", "of others"], lambda _: None),
    "none of one": ("maps", ["baseline", "maps", "-o", "gold en"], lambda folder: (folder / "b.txt").unlink()),
    "none of the only one": ("maps/b.json", ["baseline", "maps/a.json", "-o", "gold en"], lambda _: None),
    "no text": ("maps/a.json --baseline a.txt", ["baseline", "maps", "-o", "gold en"], lambda _: None),
    "no map": ("maps/a.json --baseline a.json", ["baseline", "maps", "-o", "gold en"], lambda _: None),
    "a conflict": ("maps/a.json", ["baseline", "maps", "-o", "gold en"], lambda folder: conflict(folder / "a.txt")),
    "no config": (
        "maps/a.json",
        ["baseline", "maps", "-o", "gold en"],
        lambda folder: (folder / "a.txt").write_text("# lrdecay baseline, version 1\n") and None,
    ),
    "another version": (
        "maps/a.json",
        ["baseline", "maps", "-o", "gold en"],
        lambda folder: (folder / "a.txt").write_text("# lrdecay baseline, version 2\n") and None,
    ),
    "a difference": ("maps", ["baseline", "maps", "-o", "gold en"], lambda folder: changed(folder)),
    "of one": ("maps/a.json", ["baseline", "maps", "-o", "gold en"], lambda folder: changed(folder)),
    "of a map": (
        "maps/a.json --baseline maps/b.json",
        ["baseline", "maps", "-o", "gold en"],
        lambda folder: write(folder.parents[1] / "maps/b.json", decay_map(lr=0.3)),
    ),
    "a damaged map": (
        "maps/a.json",
        ["baseline", "maps", "-o", "gold en", "--form", "json"],
        lambda folder: (folder / "a.json").write_text('{"schema_version": 2, "groups": 3}') and None,
    ),
}


def changed(folder: Path) -> None:
    for name in "ab":
        write(folder.parents[1] / f"maps/{name}.json", decay_map(config=f"configs/{name}.py", lr=0.2))


@pytest.mark.parametrize("name", BROKEN)
def test_the_command_of_a_fix_works(name: str, maps: Path, here: Run) -> None:
    """The command works unchanged, also with a space in the folder's name."""
    given, before, damage = BROKEN[name]
    assert here(*before).code == 0
    damage(maps.parent / "gold en/configs")
    check = ["check", "--select", "LRD7", *given.split()]
    check += [] if "--baseline" in check else ["--baseline", "gold en"]
    result = here(*check)
    assert result.code != 0
    command = re.search(r"lrdecay ((?:baseline|inspect) .*?)$", f"{result.out}\n{result.err}", re.MULTILINE)
    assert command, result
    assert here(*shlex.split(command[1])).code == 0
    assert here(*check).code == 0
    if shown := re.search(r"see all differences with: lrdecay (diff .*?);", result.out):
        assert here(*shlex.split(shown[1])).code == 0


def test_a_config_without_baseline_does_not_prevent_the_check_of_others(
    maps: Path,
    here: Run,
) -> None:
    here("baseline", "maps/a.json", "-o", "golden")
    write(maps / "a.json", decay_map(lr=0.2))
    result = here("check", "--select", "LRD7", "maps", "--baseline", "golden")
    assert result.code == 2
    assert "LRD701" in result.out
    line = "configs/b.py: no baseline: there is no golden/configs/b.txt; make it with: lrdecay baseline"
    assert f"no baseline: 1 config\n  {line}" in result.out
    assert result.out.endswith("\n1 error in 2 configs; 1 of 2 configs has no baseline\n")
    written = [word for form in ("sarif", "junit", "html") for word in ("--output", f"{form}=out.{form}")]
    here("check", "--select", "LRD7", "maps", "--baseline", "golden", *written)
    assert "could not be checked" not in "".join(path.read_text() for path in maps.parent.glob("out.*"))
    assert "<title>2 configs" in (maps.parent / "out.html").read_text()
    (maps / "c.json").write_text('{"schema_version": 2, "groups": 3}')
    result = here("check", "--select", "LRD7", "maps", "--baseline", "golden")
    assert result.out.endswith(
        "\n1 error in 2 configs; 1 of 3 configs could not be checked; 1 of 3 configs has no baseline\n"
    )


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_baseline_whose_config_is_gone_is_named(form: str, maps: Path, here: Run) -> None:
    """Only for baselines of configs below the targets: a folder of baselines may contain those of other configs."""
    here("baseline", "maps", "-o", "golden", "--form", form)
    file = f"golden/configs/b{SUFFIXES[form]}"
    (maps.parent / "configs").mkdir()
    (maps.parent / "configs/b.py").touch()
    shutil.copy(maps / "a.json", maps.parent / "configs")

    def report(*targets: str) -> str:
        done = here("check", "--select", "LRD7", *targets, "--baseline", "golden")
        assert done.code == 0, done
        return done.out

    assert [*lost_configs("golden", ["configs"], ["configs/a.py"])] == []
    (maps.parent / "configs/b.py").unlink()
    note = f"{file}: there is no configs/b.py; if the config was deleted: git rm {file}\n"
    assert note in report("configs")
    assert note in report("configs", "--format", "concise")
    assert f"::warning title=1 baseline without a config::{note}" in report("configs", "--format", "github")
    for target in ("configs/a.json", "maps"):
        assert "git rm" not in report(target)
    update = here("baseline", "--update", "-o", "golden")
    assert update.code == 2
    assert f"configs/b.py: error: no such config; if the config was deleted: git rm {file}" in update.out
    (maps.parent / "golden/configs" / f"a{SUFFIXES[form]}").unlink()
    update = here("baseline", "--update", "-o", "golden")
    assert (update.code, f"git rm {file}" in update.err) == (2, True)


@pytest.mark.parametrize("form", ["text", "json"])
def test_update_leaves_the_baseline_of_a_program(form: str, maps: Path, here: Run) -> None:
    """Only the program can record its groups again; no file is missing whose baseline should be removed."""
    model = torch.nn.Linear(2, 1)
    program = lrdecay_cli.audit_optimizer(model, torch.optim.SGD(model.parameters(), lr=0.1), name="toy")
    program.save("toy.json")
    here("baseline", "toy.json", "-o", "golden", "--form", form)
    file = Path(f"golden/toy{SUFFIXES[form]}")
    before = file.read_bytes()
    step = f'{file}: in the script: group_map.save("toy.json"), then lrdecay baseline toy.json -o golden\n'
    alone = here("baseline", "--update", "-o", "golden")
    assert (alone.code, alone.err) == (
        2,
        f"lrdecay: {step}".replace(
            ": in", ": this is the baseline of a training script, and --update does not run scripts; in"
        ),
    )
    assert [*lost_configs("golden", ["."], [])] == []
    here("baseline", "maps", "-o", "golden")
    several = here("baseline", "--update", "-o", "golden").out
    reason = "because a training script made this baseline: --update builds configs, but does not run scripts"
    assert f"1 baseline not updated, {reason}\n  {step}" in several
    assert file.read_bytes() == before


def test_the_summary_reports_that_nothing_differs(maps: Path, here: Run) -> None:
    here("baseline", "maps", "-o", "golden")

    def last(*words: str) -> str:
        return here("check", "--select", "LRD7", *words).out.splitlines()[-1]

    assert last("maps") == "no findings in 2 configs"
    assert last("maps", "--baseline", "golden") == "no findings in 2 configs; no parameter differs from the baselines"
    alone = last("maps/a.json", "--baseline", "golden")
    assert alone == "no findings in 1 config; no parameter differs from the baseline"
    assert last("maps", "--baseline", "golden", "--ignore", "LRD701") == "no findings in 2 configs"
    write(maps / "a.json", decay_map(lr=0.2))
    assert last("maps", "--baseline", "golden") == "1 error in 2 configs"


@pytest.mark.parametrize(
    ("markers", "keys"),
    [
        ({".git/HEAD": ""}, ("proj/configs/a", "proj/tool/b")),
        ({".git/HEAD": "", "proj/lrdecay.toml": ""}, ("configs/a", "tool/b")),
        ({".git/HEAD": "", "proj/pyproject.toml": "[tool.lrdecay]\n"}, ("configs/a", "tool/b")),
        ({".git/HEAD": "", "proj/pyproject.toml": "[project]\nname = 'lrdecay'\n"}, ("proj/configs/a", "proj/tool/b")),
        # In a worktree, .git is a file.
        ({"proj/.git": "gitdir: elsewhere"}, ("configs/a", "tool/b")),
        # Beside the baselines.
        ({}, ("configs/a", "tool/b")),
    ],
)
def test_a_config_has_the_same_baseline_from_everywhere(
    markers: dict[str, str], keys: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*markers, "proj/configs/a.py", "proj/tool/b.py", "elsewhere/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(markers.get(name, ""))
    project = tmp_path / "proj"
    for place in (tmp_path, project, project / "configs", tmp_path / "elsewhere"):
        monkeypatch.chdir(place)
        folder = os.path.relpath(project / "golden")
        for config, key in zip(("configs/a.py", "tool/b.py"), keys, strict=True):
            for given in (os.path.relpath(project / config), str(project / config)):
                assert baseline_path(folder, given) == Path(folder, f"{key}.txt")


def test_a_map_of_a_missing_config_is_matched_by_name(here: Run, maps: Path) -> None:
    here("baseline", "maps", "-o", "golden")
    (maps / "inner").mkdir()
    write(maps / "inner/a.json", decay_map(lr=0.2))
    os.chdir(maps / "inner")
    assert here("check", "a.json", "--baseline", "../../golden", "--select", "LRD7").code == 1
    assert baseline_path("golden", "mmdet::convnext/a.py") == Path("golden/mmdet/convnext/a.txt")


def test_real_configs(tmp_path: Path) -> None:
    for name, layers in (("a", 6), ("b", 12)):
        base = SAMPLES / "convnext-t_layer-wise.py"
        text = f"_base_ = [{str(base)!r}]\noptim_wrapper = dict(paramwise_cfg=dict(num_layers={layers}))\n"
        (tmp_path / "configs").mkdir(exist_ok=True)
        (tmp_path / f"configs/{name}.py").write_text(text)
    assert lrdecay("baseline", "configs", "-o", "golden", cwd=tmp_path).out.endswith("baselines: 2 written\n")
    same = lrdecay("check", "configs", "--baseline", "golden", "--select", "LRD7", cwd=tmp_path)
    assert (same.code, same.out) == (0, "no findings in 2 configs; no parameter differs from the baselines\n")
    config = tmp_path / "configs/a.py"
    config.write_text(config.read_text().replace("=6", "=7"))
    inside = lrdecay("check", "a.py", "b.py", "--baseline", "../golden", "--select", "LRD7", cwd=tmp_path / "configs")
    assert (inside.code, inside.err) == (1, "")
    # The whole path names the same config.
    changed = lrdecay("check", config, "--baseline", "golden", "--select", "LRD7", cwd=tmp_path)
    assert changed.code == 1
    assert "num_layers 6 → 7 since the baseline" in changed.out
