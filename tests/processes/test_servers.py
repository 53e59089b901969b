"""Builds in other processes, with any executor: losses are reported config by config."""

from __future__ import annotations

import sys
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.processes import children
from lrdecay_cli.processes.build_many import build_many
from lrdecay_cli.processes.building import build
from lrdecay_cli.processes.children import in_children
from lrdecay_cli.processes.outcomes import BuildSpec
from lrdecay_cli.processes.servers import on_dask, submitted

OPTIONS = BuildSpec(device="meta")


class Broken(Executor):
    """Returns the result of a worker that died: an exception instead of an outcome."""

    def submit(self, _: Any, /, *arguments: Any, **__: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(ConnectionError(f"lost {arguments[0]}"))
        return future


def test_losses_of_an_executor_are_reported() -> None:
    outcomes = {outcome.config: outcome for outcome in submitted(Broken(), OPTIONS, ["a.py", "b.py"])}
    assert {name: (one.lost, one.reason) for name, one in outcomes.items()} == {
        name: ("crashed", f"ConnectionError: lost {name}") for name in ("a.py", "b.py")
    }


@pytest.mark.slow
def test_a_thread_has_a_process_beside_it(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("model = dict(type='Nothing')\n")
    options = msgspec.structs.replace(OPTIONS, folder=str(tmp_path))
    with ThreadPoolExecutor(1) as executor:
        (outcome,) = submitted(executor, options, ["a.py"])
    assert (outcome.config, outcome.status) == ("a.py", "no-optim-wrapper")


def test_a_worker_without_the_files_reports_this() -> None:
    outcome = build("a.py", msgspec.structs.replace(OPTIONS, folder="/nowhere"))
    assert outcome.status == "error"
    assert outcome.problem.startswith("the worker cannot enter /nowhere (No such file or directory)")


def test_without_distributed_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(LrdecayError, match="--dask needs the package"):
        next(on_dask(OPTIONS, "tcp://127.0.0.1:1", ["a.py"]))


def test_nothing_to_build_loads_nothing() -> None:
    def loaded(_: object) -> None:
        raise AssertionError("the stack was loaded")

    assert list(build_many([], OPTIONS, jobs=2, load=loaded)) == []


def test_an_answer_without_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "LONGEST_ANSWER", 1 << 20)
    (outcome,) = in_children(["a.py"], lambda _: bytes(64 << 20), jobs=1)
    assert (outcome.lost, outcome.reason) == ("crashed", "killed: the result of the process is larger than 1 MiB")
    assert not outcome.answer
