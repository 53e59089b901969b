"""Configs that are built in separate processes: damage by one config is reported, and affects no other config."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lrdecay_cli.app.requests.sources import Request, group_maps_of
from lrdecay_cli.app.shell.main import run
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.processes.build_many import build_many
from lrdecay_cli.processes.outcomes import BuildSpec
from tests.group_maps import group_map
from tests.hardening.odd_configs import ORDINARY

NAMES = ("a.py", "b.py", "refused.py", "lost.py", "broken.py")


def build(config: str, *_: object) -> GroupMap:
    """Results of configs with these names."""
    if config == "refused.py":
        raise LrdecayError("is odd", where="refused.py: model", fix="change it", status="no-model", final=True)
    if config == "broken.py":
        raise ArithmeticError("by\ndesign")
    if config == "lost.py":
        os._exit(7)
    return group_map({config: {"lr": float("inf"), "parameters": {"weight": (2, 2)}}})


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        Path(name).touch()


def maps_of(*configs: str) -> list[GroupMap]:
    request = Request.of(None, "cpu", verbose=False, exact=False, no_cache=True)
    return group_maps_of(configs, request)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrdecay_cli.processes.building.audited", build)


@pytest.mark.usefixtures("built")
def test_each_has_the_map_of_its_own_process() -> None:
    # Even a number that JSON cannot contain is transferred.
    assert maps_of("a.py", "b.py") == [build("a.py"), build("b.py")]


class RecordingCache:
    """A cache with a result for ``b.py``, which records its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def cached(self, config: str) -> GroupMap | None:
        self.calls.append(f"kept {config}")
        return build(config) if config == "b.py" else None

    def begin(self) -> None:
        self.calls.append("begin")

    def loaded(self) -> None:
        self.calls.append("loaded")

    def built(self, config: str, build: Callable[[], GroupMap]) -> GroupMap:
        Path(f"{config}.kept").touch()
        return build()


@pytest.mark.usefixtures("built")
def test_the_cache_is_read_for_every_config_and_stores_built_maps() -> None:
    cache, loaded = RecordingCache(), []
    options = BuildSpec(finite=False)
    outcomes = list(build_many(NAMES, options, jobs=2, cache=cache, load=lambda missing: loaded.append(list(missing))))
    assert cache.calls == [*(f"kept {name}" for name in NAMES), "begin", "loaded"]
    assert loaded == [["a.py", "refused.py", "lost.py", "broken.py"]]
    assert Path("a.py.kept").exists()
    assert outcomes[0].config == "b.py"
    assert {outcome.config: (outcome.status, outcome.problem) for outcome in outcomes} == {
        "a.py": ("ok", ""),
        "b.py": ("ok", ""),
        "refused.py": ("no-model", "is odd; change it"),
        "lost.py": ("crashed", "exit code 7"),
        "broken.py": ("error", "internal error: ArithmeticError: by design"),
    }


@pytest.mark.usefixtures("built")
def test_results_of_many_configs_are_not_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrdecay_cli.processes.build_many.MOST_CACHED", 16)
    names, cache = [f"{number}.py" for number in range(17)], RecordingCache()
    outcomes = list(build_many(names, BuildSpec(finite=False), jobs=2, cache=cache, load=lambda _: None))
    assert {outcome.status for outcome in outcomes} == {"ok"}
    assert cache.calls == [f"kept {name}" for name in names]
    assert not list(Path().glob("*.kept"))


@pytest.mark.usefixtures("built")
def test_a_single_config_is_built_here_and_its_error_is_raised() -> None:
    pids: list[int] = []

    def here(config: str) -> GroupMap:
        pids.append(os.getpid())
        return build(config)

    (cached, made) = build_many(["b.py", "a.py"], BuildSpec(), jobs=2, cache=RecordingCache(), here=here)
    assert (cached.config, made.config, pids) == ("b.py", "a.py", [os.getpid()])
    with pytest.raises(LrdecayError, match="is odd"):
        list(build_many(["refused.py"], BuildSpec(), jobs=1, here=here))


@pytest.mark.usefixtures("built")
def test_a_number_that_json_cannot_contain_is_refused_on_writing() -> None:
    (outcome,) = build_many(["a.py"], BuildSpec(), jobs=1, load=lambda _: None)
    assert outcome.status == "error"
    assert outcome.problem.startswith("$.groups[0].lr is inf, which JSON cannot contain; change the config so that")


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("configs", "line", "status"),
    [
        (["a.py", "refused.py"], "refused.py: model: is odd; change it", "no-model"),
        (
            ["lost.py", "a.py"],
            "lost.py: the build process died: exit code",
            "error",
        ),
        # In the given order, whichever failed first.
        (["lost.py", "refused.py"], "lost.py: the build process died", "error"),
    ],
    ids=" ".join,
)
def test_the_first_failure_is_reported(configs: list[str], line: str, status: str) -> None:
    with pytest.raises(LrdecayError) as raised:
        maps_of(*configs)
    assert raised.value.line().startswith(line)
    assert raised.value.status == status


def test_a_check_goes_on_without_one_that_is_lost(
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in NAMES:
        Path(name).unlink()
    Path("good.py").write_text(ORDINARY)
    Path("lost.py").write_text("optim_wrapper = dict()\nmodel = __import__('os')._exit(3)\n")
    Path("no_map.json").write_text("{")
    assert run(["check", ".", "--device", "meta", "--format", "json", "--fail-on", "error"]) == 2
    result = json.loads(capfd.readouterr().out)
    assert [checked["config"] for checked in result["checked"]] == ["good.py"]
    (unjudged,) = result["unjudged"]
    assert (unjudged["config"], unjudged["status"]) == ("lost.py", "crashed")
    assert "exit code 3" in unjudged["problem"]
