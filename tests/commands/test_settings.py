"""Settings: which file applies; the command line overrides the environment, and the environment overrides the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.checking.maps import decay_map, write
from tests.commands.running import SAMPLES, Run, lrdecay

# On a map as small as this, other rules have findings too.
ONLY = ("--select", "LRD301,LRD7,LRD9")


@pytest.fixture(autouse=True)
def _wrong(tmp_path: Path) -> None:
    write(tmp_path / "a.json", decay_map(wrong=True))


@pytest.mark.parametrize(
    ("file", "environment", "options", "code"),
    [
        ("", {}, [], 1),
        ("exit-zero = true", {}, [], 0),
        ("exit-zero = true", {"LRDECAY_EXIT_ZERO": "0"}, [], 1),
        ("", {"LRDECAY_EXIT_ZERO": "true"}, [], 0),
        ("", {"LRDECAY_EXIT_ZERO": "true"}, ["--no-exit-zero"], 1),
        ("exit-zero = true", {}, ["--no-exit-zero"], 1),
        ("ignore = ['LRD301']", {}, [], 0),
        ("ignore = ['LRD301']", {"LRDECAY_IGNORE": "LRD302x,LRD7"}, [], 2),
        ("ignore = ['LRD301']", {"LRDECAY_IGNORE": "LRD7, LRD9"}, [], 1),
        ("ignore = ['LRD7']", {"LRDECAY_IGNORE": "LRD7"}, ["--ignore", "scale-above-one"], 0),
        ("ignore = ['LRD301']", {"LRDECAY_IGNORE": ""}, [], 0),
        ("ignore = ['LRD301']", {}, ["--ignore", "LRD7"], 1),
        ("ignore = ['LRD301']", {}, ["--extend-ignore", "LRD7"], 0),
        ("ignore = ['LRD7']", {}, ["--extend-ignore", "LRD301"], 0),
        ("ignore = ['LRD301']", {}, ["--no-settings"], 1),
        ("ignore = ['LRD7']", {"LRDECAY_IGNORE": "LRD301"}, ["--no-settings"], 0),
        ("ignore = ['LRD7']", {}, ["--settings", "other.toml"], 0),
        ("ignore = ['LRD7']", {"LRDECAY_SETTINGS": "other.toml"}, [], 0),
        ("ignore = ['LRD7']", {}, ["--settings", "other.toml", "--no-settings"], 2),
        ("ignore = ['LRD7']", {}, ["--settings", "nowhere.toml"], 2),
    ],
)
def test_precedence_of_settings(
    file: str,
    environment: dict[str, str],
    options: list[str],
    code: int,
    tmp_path: Path,
    here: Run,
) -> None:
    (tmp_path / "lrdecay.toml").write_text(file)
    (tmp_path / "other.toml").write_text("ignore = ['LRD301']")
    assert here("check", "a.json", *ONLY, *options, **environment).code == code


OWN, SHARED = "exit-zero = true", "[tool.lrdecay]\nexit-zero = true"


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"lrdecay.toml": OWN}, 0),
        ({"pyproject.toml": SHARED}, 0),
        ({"pyproject.toml": "[project]\nname = 'x'"}, 1),
        ({"sub/lrdecay.toml": "", "lrdecay.toml": OWN}, 1),
        ({"lrdecay.toml": OWN, "sub/pyproject.toml": "[project]\ndependencies = ['lrdecay-cli']"}, 0),
        ({"sub/lrdecay.toml": OWN, "sub/pyproject.toml": "[tool.lrdecay]\nexit-zero = false"}, 0),
        # The search for a settings file ends at the root of a repository.
        ({"lrdecay.toml": OWN, "sub/.git/HEAD": ""}, 1),
        ({"sub/lrdecay.toml": OWN, "sub/.git/HEAD": ""}, 0),
        # In a worktree, .git is a file.
        ({"lrdecay.toml": OWN, "sub/.git": "gitdir: elsewhere"}, 1),
    ],
)
def test_which_file_counts(
    files: dict[str, str],
    code: int,
    tmp_path: Path,
    here: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "sub/deep").mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path / "sub/deep")
    assert here("check", "../../a.json", *ONLY).code == code


@pytest.mark.parametrize(
    ("file", "environment", "message"),
    [
        ("slect = ['LRD3']", {}, "lrdecay.toml: slect: unknown key; did you mean select?"),
        ("select = ['LRD3011']", {}, "lrdecay.toml: select: no rule 'LRD3011'; did you mean LRD301?"),
        ("format = 'jsn'", {}, "lrdecay.toml: format: unknown format 'jsn'; did you mean json? one of"),
        ("", {"LRDECAY_FORMAT": "jsn"}, "LRDECAY_FORMAT: unknown format 'jsn'; did you mean json? one of"),
        ("", {"LRDECAY_FAIL_ON": "fatal"}, "LRDECAY_FAIL_ON: unknown choice 'fatal'; one of info, warning, error"),
        ("", {"LRDECAY_JOBS": "many"}, "LRDECAY_JOBS: expected int, got str"),
        ("[[assert]]\nparameters = '*'\nlr = 'low'", {}, "lrdecay.toml: assert[0].lr: invalid condition 'low'; give"),
        ("[[assert]]\nparameters = '*'\nlr = '1..0.1'", {}, "lrdecay.toml: assert[0].lr: no number fulfils '1..0.1'; "),
        (
            "baseline = 'golden'",
            {},
            "lrdecay.toml: baseline: no directory golden; make it with: lrdecay baseline a.json -o golden",
        ),
    ],
)
def test_errors_name_the_place_in_the_settings(
    file: str,
    environment: dict[str, str],
    message: str,
    tmp_path: Path,
    here: Run,
) -> None:
    (tmp_path / "lrdecay.toml").write_text(file)
    result = here("check", "a.json", **environment)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"lrdecay: {message}"), result.err
    assert result.err.count("\n") == 1


def test_typed_options_are_named_as_typed(tmp_path: Path, here: Run) -> None:
    (tmp_path / "lrdecay.toml").write_text("format = 'json'")
    assert here("check", "a.json", "--format=jsn").err.startswith("lrdecay: --format: unknown format 'jsn'")


def test_a_baseline_lies_beside_its_settings(
    tmp_path: Path,
    here: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "lrdecay.toml").write_text("baseline = 'golden'\nselect = ['LRD7']")
    assert here("baseline", "a.json").code == 0
    assert (tmp_path / "golden/configs/a.txt").is_file()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert here("check", "../a.json").code == 0


def test_other_commands_have_their_defaults_too(tmp_path: Path, here: Run) -> None:
    (tmp_path / "lrdecay.toml").write_text("format = 'json'")
    for command in (["inspect", "a.json"], ["diff", "a.json", "a.json"], ["rule", "LRD301"]):
        json.loads(here(*command).out)
    # A format that only check supports is not a default for other commands.
    (tmp_path / "lrdecay.toml").write_text("format = 'github'")
    assert here("check", "a.json", *ONLY).out.startswith("::error")
    assert here("inspect", "a.json").out.startswith("config ")


def test_a_cached_result_is_not_used_with_other_settings(tmp_path: Path) -> None:
    environment = {"LRDECAY_NO_CACHE": "", "LRDECAY_CACHE_DIR": str(tmp_path / "cache")}
    config = SAMPLES / "resnet-50_default.py"
    # A map is cached with its report: the second report comes from the cache.
    texts = [lrdecay("inspect", config, cwd=tmp_path, **environment).out for _ in range(2)]
    assert texts[0] == texts[1]
    (tmp_path / "lrdecay.toml").write_text("format = 'json'")
    json.loads(lrdecay("inspect", config, cwd=tmp_path, **environment).out)
    (tmp_path / "lrdecay.toml").write_text("format = 'text'")
    assert lrdecay("inspect", config, cwd=tmp_path, **environment).out == texts[0]
    assert lrdecay("inspect", config, "--no-settings", cwd=tmp_path, **environment).out == texts[0]


def test_settings_that_cannot_be_read(tmp_path: Path, here: Run) -> None:
    (tmp_path / "lrdecay.toml").symlink_to("lrdecay.toml")
    result = here("check", "a.json")
    assert (result.code, result.err) == (2, "lrdecay: lrdecay.toml: cannot read: Too many levels of symbolic links\n")


@pytest.mark.parametrize(
    ("config", "targets", "expected"),
    [
        ("confgs/*", ["configs"], ["LRD703", "LRD901"]),
        ("configs/*", ["configs"], ["LRD901"]),
        ("other/*.py", ["configs"], []),
        ("b/*.py", ["configs"], []),
        ("mmdet::*", ["configs"], []),
        ("confgs/*", ["configs/a.py"], []),
        ("confgs/*", ["maps"], []),
    ],
)
def test_a_config_that_the_settings_misspell(
    config: str, targets: list[str], expected: list[str], tmp_path: Path
) -> None:
    """A glob that matches no config is reported only if a directory of configs was checked."""
    for name in ("configs/a.py", "configs/b/b.py", "other/c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "configs/a.py").write_text((SAMPLES / "resnet-50_default.py").read_text())
    write(tmp_path / "maps/a.json", decay_map())
    (tmp_path / "lrdecay.toml").write_text(
        f"[[assert]]\nparameters = '*'\nlr = '> 0'\nconfig = '{config}'\n"
        f"[[suppress]]\nrule = 'LRD101'\nreason = 'known'\nconfig = '{config}'\n"
    )
    options = ("--select", "LRD101,LRD703,LRD901", "--format", "json")
    result = lrdecay("check", *targets, *options, cwd=tmp_path)
    assert sorted(finding["code"] for finding in json.loads(result.out)["findings"]) == expected
