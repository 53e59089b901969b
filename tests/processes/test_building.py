"""The result of a child process for any config: always an outcome, never an exception."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrdecay_cli.domain.errors import ConstructorRefused, InternalError
from lrdecay_cli.processes.building import build
from lrdecay_cli.processes.children import Outcome
from lrdecay_cli.processes.outcomes import BuildOutcome, BuildSpec, BuildTraceback, Failure, is_final, outcome_of
from tests.group_maps import group_map
from tests.hardening.odd_configs import ORDINARY

OPTIONS = BuildSpec(device="meta", notes_files=True)
OWN = """
import torch
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.optim import DefaultOptimWrapperConstructor

@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class Own(DefaultOptimWrapperConstructor):
    def add_params(self, params, module, **kwargs):
        super().add_params(params, module, **kwargs)
        {does}
"""
# Last action of the constructor, and the recorded result.
BUILT = {
    "an infinite lr": ("params and params[0].update(lr=float('inf'))", "is inf, which JSON cannot contain"),
    "too little memory": ("raise MemoryError", "constructor fails: MemoryError"),
    "an exception": ("raise ArithmeticError('odd')", "constructor fails: ArithmeticError: odd"),
    "nothing": ("pass", ""),
}


@pytest.fixture
def quiet_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit hook cannot be removed from the process that runs the tests."""
    monkeypatch.setattr("lrdecay_cli.processes.building.record_sources", lambda: dict)


@pytest.mark.usefixtures("quiet_hooks")
@pytest.mark.parametrize("case", BUILT)
def test_every_config_has_a_record(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    does, problem = BUILT[case]
    name = f"own_{case.replace(' ', '_')}"
    (tmp_path / f"{name}.py").write_text(OWN.replace("{does}", does))
    monkeypatch.syspath_prepend(str(tmp_path))
    config = tmp_path / "config.py"
    config.write_text(f"custom_imports = dict(imports=[{name!r}])\n{ORDINARY}optim_wrapper['constructor'] = 'Own'\n")
    answer = build(str(config), OPTIONS).encoded()
    built = outcome_of(Outcome(str(config), answer, seconds=1.5))
    assert (built.config, built.seconds) == (str(config), 1.5)
    if problem:
        assert (built.status, built.group_map) == ("error", None)
        assert problem in built.problem
        assert "\n" not in built.problem
    else:
        assert (built.status, built.problem) == ("ok", "")
        assert built.group_map is not None


def test_an_infinite_number_is_allowed_where_only_text_uses_it() -> None:
    made = group_map({"": {"lr": float("inf"), "parameters": {"weight": (2, 2)}}})
    answer = BuildOutcome("a.py", made).encoded(finite=False)
    assert outcome_of(Outcome("a.py", answer), finite=False).group_map == made
    # A child does not decide which data its parent accepts.
    assert outcome_of(Outcome("a.py", answer)).status == "crashed"


def test_a_failure_travels_whole() -> None:
    error = ConstructorRefused("is odd", where="a.py: lr", fix="change it", status="no-model", final=True)
    try:
        raise error from KeyError("\x1b[2J")
    except ConstructorRefused as raised:
        answer = BuildOutcome("a.py", failure=Failure.of("a.py", raised)).encoded()
    failure = outcome_of(Outcome("a.py", answer)).failure
    assert failure is not None
    again = failure.error()
    # If a deferred import has failed in this process, another build may have another result.
    assert (type(again), again.fields()) == (ConstructorRefused, {**error.fields(), "final": is_final(error)})
    assert isinstance(again.__cause__, BuildTraceback)
    assert "KeyError: '\\x1b[2J'" in str(again.__cause__)


@pytest.mark.parametrize(
    "answer",
    [
        b"noise",
        b"{}",
        b'{"config": "a.py"}',
        b'{"config": "other.py", "failure": {"problem": "odd"}}',
        b"\xff\x00",
        b"[" * 100_000,
    ],
)
def test_an_invalid_answer_is_a_failure(answer: bytes) -> None:
    outcome = outcome_of(Outcome("a.py", answer))
    assert (outcome.config, outcome.status, outcome.problem) == (
        "a.py",
        "crashed",
        "the result from the process that builds the config cannot be read",
    )


@pytest.mark.usefixtures("quiet_hooks")
def test_a_fault_of_our_own_is_a_row_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("by\ndesign")

    monkeypatch.setattr("lrdecay_cli.openmmlab.audit.audit", broken)
    built = build("a.py", OPTIONS)
    assert (built.config, built.group_map, built.status) == ("a.py", None, "error")
    assert built.problem == "internal error: RuntimeError: by design"
    assert built.failure is not None
    assert isinstance(built.failure.error(), InternalError)
