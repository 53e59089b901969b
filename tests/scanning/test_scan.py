"""The loop of a scan: what it makes of answers, and how it stops."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from lrdecay_cli.domain.errors import Interrupted
from lrdecay_cli.domain.scan import ScanRecord
from lrdecay_cli.processes.children import Outcome
from lrdecay_cli.processes.outcomes import BuildOutcome, outcome_of
from lrdecay_cli.scanning.journal import Journal
from lrdecay_cli.scanning.reporting import report_of
from lrdecay_cli.scanning.scan import Timed, document_of, scan


@pytest.mark.parametrize(
    "answer", [b"noise", b"{}", b'{"config": "other.py", "failure": {"problem": "odd"}}', b"\xff\x00"]
)
def test_an_answer_that_is_none_is_one_row(answer: bytes) -> None:
    def builder(configs: Sequence[str]) -> Generator[BuildOutcome, None, None]:
        yield from (outcome_of(Outcome(config, answer)) for config in configs)

    with Journal(None, []) as journal:
        (one,) = scan(["a.py"], builder, journal)
    assert (one.record.config, one.record.status) == ("a.py", "crashed")


def test_interrupted_between_two_results_it_ends_the_children_and_keeps_the_first(tmp_path: Path) -> None:
    closed = []

    def builder(configs: Sequence[str]) -> Generator[BuildOutcome, None, None]:
        try:
            yield from (BuildOutcome(config, lost="crashed", reason="by design") for config in configs)
        finally:
            closed.append(True)

    # Held here, so that it is not closed for want of a holder.
    outcomes = builder(["a.py", "b.py"])

    def stop(_: Timed) -> None:
        raise KeyboardInterrupt

    with Journal(tmp_path / "journal", []) as journal, pytest.raises(Interrupted, match="1 of 2 configs done"):
        scan(["a.py", "b.py"], lambda _: outcomes, journal, tell=stop)
    assert closed
    assert b"a.py" in (tmp_path / "journal").read_bytes()


@pytest.mark.parametrize(("verbose", "told"), [(False, 9), (True, 30)])
def test_reasons_are_told_at_a_length_that_is_read(verbose: bool, told: int) -> None:
    timed = [Timed(ScanRecord(config=f"{n:02}.py", status="error", problem="odd"), 0.1) for n in range(30)]
    document = document_of([one.record for one in timed], "cpu", ())
    (note,) = report_of(timed, document, verbose=verbose).report.notes
    assert (note.level, len(note.details)) == ("warning", told)
    assert note.details[-1] == ("29.py: odd" if verbose else "… 22 more with -v")
