"""The loop of a scan: how it handles results, and how it stops."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from lrdecay_cli.domain.errors import Interrupted
from lrdecay_cli.domain.scan import ScanRecord, record_of
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.processes.children import Outcome
from lrdecay_cli.processes.outcomes import BuildOutcome, outcome_of
from lrdecay_cli.scanning.journal import Journal
from lrdecay_cli.scanning.reporting import report_of
from lrdecay_cli.scanning.scan import Timed, document_of, scan


@pytest.mark.parametrize(
    "answer", [b"noise", b"{}", b'{"config": "other.py", "failure": {"problem": "odd"}}', b"\xff\x00"]
)
def test_an_invalid_answer_is_one_row(answer: bytes) -> None:
    def builder(configs: Sequence[str]) -> Generator[BuildOutcome, None, None]:
        yield from (outcome_of(Outcome(config, answer)) for config in configs)

    with Journal(None, []) as journal:
        (timed,) = scan(["a.py"], builder, journal)
    assert (timed.record.config, timed.record.status) == ("a.py", "crashed")


def test_interrupted_between_two_results_it_ends_the_children_and_keeps_the_first(tmp_path: Path) -> None:
    closed = []

    def builder(configs: Sequence[str]) -> Generator[BuildOutcome, None, None]:
        try:
            yield from (BuildOutcome(config, lost="crashed", reason="by design") for config in configs)
        finally:
            closed.append(True)

    # Kept here, because it would be closed without a reference.
    outcomes = builder(["a.py", "b.py"])

    def stop(_: Timed) -> None:
        raise KeyboardInterrupt

    with Journal(tmp_path / "journal", []) as journal, pytest.raises(Interrupted, match="1 of 2 configs done"):
        scan(["a.py", "b.py"], lambda _: outcomes, journal, on_record=stop)
    assert closed
    assert b"a.py" in (tmp_path / "journal").read_bytes()


@pytest.mark.parametrize(("verbose", "count"), [(False, 9), (True, 30)])
def test_reasons_are_limited_to_a_readable_length(verbose: bool, count: int) -> None:
    timed = [Timed(ScanRecord(config=f"{n:02}.py", status="error", problem="odd"), 0.1) for n in range(30)]
    document = document_of([each.record for each in timed], "cpu", ())
    (note,) = report_of(timed, document, verbose=verbose).report.notes
    assert (note.level, len(note.details)) == ("warning", count)
    assert note.details[-1] == ("29.py: odd" if verbose else "… 22 more with -v")


def test_equal_values_are_shown_once_and_outliers_come_first(tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text(
        'default_scope = "mmpretrain"\n'
        'custom_imports = dict(imports=["mmdet.engine.optimizers"])\n'
        'model = dict(type="ImageClassifier", backbone=dict(type="ConvNeXt", arch="atto"))\n'
        'optim_wrapper = dict(optimizer=dict(type="AdamW", lr=1e-4, weight_decay=0.05),\n'
        '    constructor="mmdet.LearningRateDecayOptimizerConstructor",\n'
        '    paramwise_cfg=dict(decay_rate=0.7, decay_type="layer_wise", num_layers=6))\n'
    )
    decay = "optim_wrapper.paramwise_cfg."
    overrides = {
        "a": (),
        "b": (),
        "c": ("train_cfg.max_epochs=12",),
        "d": (f"{decay}num_layers=7",),
        "e": ("optim_wrapper.optimizer.lr=2e-4", f"{decay}decay_rate=0.8"),
        "f": (),
        "g": (),
        # Another backbone is compared only with configs of the same backbone.
        "h": ("model.backbone.arch=nano", "optim_wrapper.optimizer.weight_decay=0.1"),
    }
    records = [record_of(name, audit(str(config), cfg_options=each)) for name, each in overrides.items()]
    timed = [Timed(record, None) for record in records]
    report = report_of(timed, document_of(records, "cpu", ())).report
    (table,), (note,) = report.tables, report.notes
    assert [row[0] for row in table.rows] == ["d", "e", "a", "b", "c", "f", "g", "h"]
    assert note.text == (
        "ConvNeXt, mmdet layer decay: 5 configs with the same settings; "
        "1 with other layer ids; 1 with other lr scales and another base lr"
    )
    assert note.details == ("d: other layer ids", "e: other lr scales and another base lr")
    assert [column.key for column in table.columns] == ["config", "groups", "tensors", "lr", "lr_scale"]
    assert report.facts == (("in all", "status ok, constructor mmdet layer decay, frozen 0, missing 0"),)
    assert report.rows is not None
    assert [row[0] for row in report.rows.rows] == [*overrides]
