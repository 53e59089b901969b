"""Future lrs that ``diff CONFIG CHECKPOINT`` reports, compared with mmengine's own Runner: started new, and resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonschema import Draft202012Validator
from mmengine.config import Config

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.files.schema import document_schema
from tests.dry_run.test_truth import saved, unsafe_loading
from tests.dry_run.trainings import ADAMW, BASE, CONVERTED, COSINE, KEYS, STEPS, TRAININGS, WARM_UP, train

SAVING = dict(checkpoint=dict(type="CheckpointHook", interval=1), logger=dict(type="LoggerHook", interval=1000))
LONGER = dict(train_cfg=dict(by_epoch=True, max_epochs=8))
BY_ITERATION = dict(
    TRAININGS["an iteration-based loop"],
    default_hooks=dict(SAVING, checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=6)),
)
Saved = dict[str, Any]


def without_schedulers(checkpoint: Saved) -> None:
    del checkpoint["param_schedulers"]


def with_the_first_alone(checkpoint: Saved) -> None:
    del checkpoint["param_schedulers"][1:]


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str, Callable[[Saved], None] | None, int]] = {
    # First training, later config, checkpoint, change of the checkpoint, exit code with --only lr_scale.
    "the same": (dict(param_scheduler=[WARM_UP, CONVERTED]), {}, "epoch_2", None, 0),
    "a longer cosine": (
        dict(param_scheduler=[CONVERTED]),
        dict(LONGER, param_scheduler=[dict(CONVERTED, T_max=8, end=8)]),
        "epoch_4",
        None,
        1,
    ),
    "a longer cosine by epoch": (
        dict(param_scheduler=COSINE),
        dict(LONGER, param_scheduler=dict(COSINE, T_max=8, end=8)),
        "epoch_3",
        None,
        1,
    ),
    "other milestones": ({}, dict(param_scheduler=[WARM_UP, dict(STEPS, milestones=[3])]), "epoch_1", None, 1),
    "another lr and weight decay": (
        {},
        dict(optim_wrapper=dict(optimizer=dict(ADAMW, lr=0.02, weight_decay=0.1), paramwise_cfg=KEYS)),
        "epoch_1",
        None,
        1,
    ),
    "a warm-up that begins anew": ({}, {}, "epoch_3", without_schedulers, 1),
    "one of two schedulers": ({}, {}, "epoch_1", with_the_first_alone, 1),
    "schedulers in another order": ({}, dict(param_scheduler=[STEPS, WARM_UP]), "epoch_1", None, 1),
    "an iteration-based loop": (
        BY_ITERATION,
        dict(param_scheduler=[WARM_UP, dict(type="PolyLR", power=0.5, begin=3, end=17, by_epoch=False)]),
        "iter_6",
        None,
        1,
    ),
    "in the middle of an epoch": (
        dict(
            param_scheduler=[CONVERTED],
            default_hooks=dict(SAVING, checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=7)),
        ),
        dict(param_scheduler=[dict(CONVERTED, eta_min_ratio=0.1)]),
        "iter_7",
        None,
        1,
    ),
    "momentum": (
        TRAININGS["momentum goes along"],
        dict(LONGER, param_scheduler=[dict(CONVERTED, T_max=8, end=8)]),
        "epoch_2",
        with_the_first_alone,
        1,
    ),
    "two optimizers": (
        TRAININGS["two optimizers"],
        dict(LONGER, param_scheduler=dict(generator=[STEPS], discriminator=[dict(CONVERTED, T_max=8, end=8)])),
        "epoch_2",
        None,
        1,
    ),
    "a hook sets the lr": (TRAININGS["a hook sets the lr"], {}, "epoch_2", None, 0),
}


def resumable(name: str, folder: Path) -> tuple[Config, Path]:
    """The config as it is now, and a checkpoint of the real training before."""
    first, now, at, change, _ = CASES[name]
    before = Config({**BASE, "default_hooks": SAVING, **first})
    train(before, folder / "before")
    checkpoint = folder / "before" / f"{at}.pth"
    if change is not None:
        loaded = torch.load(checkpoint, weights_only=False)
        change(loaded)
        torch.save(loaded, checkpoint)
    return saved(Config({**before._cfg_dict.to_dict(), **now}), folder), checkpoint


def compared(folder: Path, checkpoint: Path, *options: str, code: int | None = None) -> dict[str, Any]:
    written = folder / "diff.json"
    found = run(["diff", str(folder / "config.py"), str(checkpoint), "-o", f"json={written}", *options])
    assert code is None or found == code
    document: dict[str, Any] = json.loads(written.read_text())
    Draft202012Validator(document_schema("diff")).validate(document)
    coming: dict[str, Any] = document["coming"]
    return coming


def check(coming: dict[str, Any], planned: dict[int, list[float]], resumed: dict[int, list[float]]) -> None:
    """Return whether each difference exists in the real trainings, and everything else is the same in them."""
    first, last = coming["first"], coming["last"]
    shift = min(resumed) - first
    pairs = {i: (planned[i], resumed[i + shift]) for i in range(first, last + 1)}
    named: dict[int, dict[str, Any]] = {}
    for value in coming["values"]:
        if value["parameter"] == "lr":
            named.update((int(group.rpartition("_")[2]), value) for group in value["groups"])
    for group in range(len(planned[0])):
        own = {i: (old[group], new[group]) for i, (old, new) in pairs.items()}
        differing = [i for i, (old, new) in own.items() if abs(old - new) > 1e-9 * max(old, new)]
        if group not in named:
            assert not differing
            continue
        value = named[group]
        assert value["iteration"] == differing[0]
        assert (value["before"], value["after"]) == own[differing[0]]
        assert (value["last_before"], value["last_after"]) == own[last]
        for side, rests in enumerate((value["rests_before"], value["rests_after"])):
            assert {own[i][side] for i in range(rests, last + 1)} == {own[last][side]}
            assert rests == first or own[rests - 1][side] != own[last][side]


@pytest.mark.parametrize("name", CASES)
def test_future_lrs_equal_those_of_real_trainings(name: str, tmp_path: Path) -> None:
    config, checkpoint = resumable(name, tmp_path)
    planned = train(config, tmp_path / "anew").lrs
    with unsafe_loading():
        resumed = train(config, tmp_path / "resumed", resume=str(checkpoint)).lrs
    coming = compared(tmp_path, checkpoint, "--only", "lr_scale", code=CASES[name][-1])
    assert coming["unjudged"] is None
    if name == "two optimizers":
        # Each optimizer has only its first group in the log, under the optimizer's name.
        for value in coming["values"]:
            numbers = {"discriminator.group_0": "group_0", "generator.group_0": "group_1"}
            value["groups"] = [numbers[group] for group in value["groups"]]
    check(coming, planned, resumed)
    assert coming["last"] == min(max(planned), max(resumed) - min(resumed) + coming["first"])


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        (
            "a longer cosine",
            (
                "the checkpoint's schedule is restored too: CosineAnnealingLR at param_scheduler[0] ends at epoch 4, "
                "the config's at epoch 8; T_max is 20, the config's 40",
                "from iteration 20 (epoch 4) on",
                "a resume ignores the config's current lrs and schedule",
            ),
        ),
        (
            "another lr and weight decay",
            (
                "training did not begin with the config's current lr: 20 of 20 tensors",
                "a resume ignores the config's current weight_decay: 20 tensors",
            ),
        ),
        (
            "a warm-up that begins anew",
            ("the checkpoint has no schedulers: the config's schedulers start anew at iteration 15 (epoch 3)",),
        ),
        ("one of two schedulers", ("the checkpoint has 1 scheduler and the config has 2",)),
        (
            "schedulers in another order",
            (
                "MultiStepLR at param_scheduler[0] loads the saved state of another scheduler class, with"
                " start_factor, end_factor and total_iters",
            ),
        ),
    ],
)
def test_the_text_describes_the_effect_of_a_resume(
    name: str, messages: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, checkpoint = resumable(name, tmp_path)
    capsys.readouterr()
    page, sheet = tmp_path / "page.html", tmp_path / "table.csv"
    arguments = ["diff", str(tmp_path / "config.py"), str(checkpoint), "-o", f"html={page}", "-o", f"csv={sheet}"]
    assert run([*arguments, "--format", "markdown"]) == 1
    text = capsys.readouterr().out
    for sentence in messages:
        assert sentence in text.replace("\\", "")
    assert "future lrs, from iteration" in text
    assert "future lrs, from iteration" in page.read_text()
    assert ",future lr at iteration " in sheet.read_text()


def test_two_checkpoints_of_one_run_have_the_same_to_come(tmp_path: Path) -> None:
    _, first = resumable("the same", tmp_path)
    later = first.with_name("epoch_3.pth")
    written = tmp_path / "two.json"
    arguments = ["diff", str(first), str(later), "--config", str(tmp_path / "config.py"), "-o", f"json={written}"]
    assert run(arguments) == 1
    coming = json.loads(written.read_text())["coming"]
    assert (coming["first"], coming["last"], coming["values"], coming["saved"]) == (15, 19, [], [2, 2])


def end_of_training(checkpoint: Saved) -> None:
    checkpoint["meta"].update(epoch=4, iter=20)


def program(checkpoint: Saved) -> None:
    checkpoint["meta"]["config"] = "import os\nos.environ['LRDECAY_RAN'] = '1'\ngpu_ids = [0, 1]\n"


def of_two_gpus(checkpoint: Saved) -> None:
    checkpoint["meta"]["config"] = "gpu_ids = [0, 1]\n"


def without_a_place(checkpoint: Saved) -> None:
    checkpoint["meta"].update(epoch=-1)


def of_no_known_epoch(checkpoint: Saved) -> None:
    checkpoint["meta"].update(epoch=3)
    checkpoint["message_hub"] = {}


def with_a_state_of_nonsense(checkpoint: Saved) -> None:
    checkpoint["param_schedulers"][0].update(step=1, begin="x", optimizer=None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            end_of_training,
            "the checkpoint was saved at iteration 20, when the training had ended, so there are no future lrs",
        ),
        (program, "future lrs are the same"),
        (of_two_gpus, "not compared: the training does not start: RuntimeError: Number of GPUs used for current"),
        (without_a_place, "the checkpoint does not contain its epoch and iteration"),
        (of_no_known_epoch, "future lrs are not compared: the number of iterations per epoch is unknown"),
        (with_a_state_of_nonsense, "future lrs are not compared: the training does not start: "),
    ],
)
def test_incomparable_values_are_named(
    change: Callable[[Saved], None],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LRDECAY_RAN", raising=False)
    _, checkpoint = resumable("the same", tmp_path)
    loaded = torch.load(checkpoint, weights_only=False)
    change(loaded)
    torch.save(loaded, checkpoint)
    capsys.readouterr()
    assert run(["diff", str(tmp_path / "config.py"), str(checkpoint), "--only", "lr_scale"]) == 0
    out, err = capsys.readouterr()
    assert message in out
    assert err == ""
    assert "LRDECAY_RAN" not in os.environ
