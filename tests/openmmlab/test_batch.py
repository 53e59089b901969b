"""``auto_scale_lr`` and the number of GPUs in group maps, compared with mmengine's own Runner and the constructors."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner

from lrdecay_cli.analysis.comparing.report import comparison
from lrdecay_cli.analysis.explaining.report import explanation
from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.analysis.verification import disagreements
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import Batch, Launch
from lrdecay_cli.files import read_map, to_json
from lrdecay_cli.formats import Canvas
from lrdecay_cli.formats.plain_text import render
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.recorded_numbers import formula_of, named
from lrdecay_cli.openmmlab.schedulers.running import run_schedule
from lrdecay_cli.openmmlab.schedulers.training_plan import load_plan
from lrdecay_cli.openmmlab.world import process_group
from tests.dry_run.trainings import BASE, BATCH, LAYERS, TRAININGS, config_of, train
from tests.recomputing import assert_recomputes

SCALED = dict(auto_scale_lr=dict(enable=True, base_batch_size=24))
SCALINGS = {
    "mmengine's constructor": SCALED,
    "mmdet's constructor": dict(SCALED, optim_wrapper=LAYERS),
    "two optimizers": {**TRAININGS["two optimizers"], **SCALED},
}


def saved(more: dict[str, Any], folder: Path, line: str = "") -> str:
    path = folder / "config.py"
    Config({**BASE, **more}).dump(path)
    path.write_text(f"{path.read_text()}\n{line}\n")
    return str(path)


def lrs_of(group_map: GroupMap) -> list[float | None]:
    return [group.lr for group in group_map.groups]


@pytest.mark.parametrize("gpus", [1, 3, 8])
@pytest.mark.parametrize("name", SCALINGS)
def test_every_lr_is_the_one_that_the_runner_makes(name: str, gpus: int, tmp_path: Path) -> None:
    path = saved(SCALINGS[name], tmp_path)
    config = Config.fromfile(path)
    config.update(work_dir=str(tmp_path), log_level="ERROR", experiment_name=f"batch_{name}_{gpus}")
    # A training without a launcher comes first: if a process group exists, the Runner wraps the model.
    runner = Runner.from_cfg(config)
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    with process_group(gpus):
        runner.setup_env({"dist_cfg": {}})
    runner.scale_lr(wrapper, runner.auto_scale_lr)
    several = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else (wrapper,)
    real = [group["lr"] for each in several for group in each.optimizer.param_groups]

    before, after = audit(path, cfg_options=("auto_scale_lr.enable=False",)), audit(path, launch=Launch(gpus))
    assert before.batch is msgspec.UNSET
    assert lrs_of(after) == real
    assert after.batch == Batch(gpus, True, BATCH, 24, gpus * BATCH / 24)
    for old, new in zip(before.groups, after.groups, strict=True):
        assert (new.lr_scale, new.weight_decay, new.options) == (old.lr_scale, old.weight_decay, old.options)
    assert after.base_lr == before.base_lr
    assert list(disagreements(after)) == []
    if name != "two optimizers":
        assert_recomputes(after)
    file = tmp_path / "map.json"
    file.write_text(to_json(after))
    assert read_map(str(file)) == after


def test_the_options_have_the_meaning_of_train_py(tmp_path: Path) -> None:
    path = saved(dict(auto_scale_lr=dict(base_batch_size=8)), tmp_path)
    plain = audit(path)
    for launch, factor in ((Launch(4, None, True), 1.0), (Launch(4, 16, True), 8.0), (Launch(None, None, True), 0.25)):
        scaled = audit(path, launch=launch)
        assert scaled.batch
        assert (scaled.batch.lr_factor, scaled.batch.gpus_given) == (factor, launch.gpus is not None)
        assert lrs_of(scaled) == [lr * factor for lr in lrs_of(plain) if lr is not None]
    # Without the option, the config's own switch applies, for the 1 GPU of a training without a launcher.
    own = audit(path, cfg_options=("auto_scale_lr.enable=True",))
    assert own.batch == Batch(1, False, BATCH, 8, 0.25)
    # A map that depends on nothing records this, and is otherwise the same.
    idle = audit(path, launch=Launch(8))
    assert idle.batch == Batch(8, True, BATCH)
    assert idle.groups == plain.groups


@pytest.mark.parametrize(
    ("more", "launch", "line"),
    [
        ({}, Launch(2, None, True), "the config has no auto_scale_lr.base_batch_size; add auto_scale_lr = "),
        (dict(auto_scale_lr=dict(enable=True)), Launch(), "the config has no auto_scale_lr.base_batch_size; add"),
        (dict(auto_scale_lr=dict(enable=True, base_batch_size=0)), Launch(), "auto_scale_lr.base_batch_size is 0, not"),
        (dict(auto_scale_lr=dict(enable=True, base_batch_size=10**400)), Launch(), "base_batch_size is not finite"),
        (
            dict(SCALED, train_dataloader=dict(batch_size=10**400)),
            Launch(),
            "batch_size is not finite; give --batch-size",
        ),
        (dict(SCALED, train_dataloader={}), Launch(8), "no train_dataloader.batch_size; give --batch-size N"),
    ],
)
def test_a_failed_scaling_is_one_line(more: dict[str, Any], launch: Launch, line: str, tmp_path: Path) -> None:
    with pytest.raises(LrdecayError) as caught:
        audit(saved(more, tmp_path), launch=launch)
    assert line in caught.value.line()


def test_explain_shows_the_factor_as_a_step(tmp_path: Path) -> None:
    group_map = audit(saved(dict(SCALED, optim_wrapper=LAYERS), tmp_path), launch=Launch(3))
    shown = explanation(group_map, ["head.weight"])
    (explained,) = shown.document.explanations
    assert explained.provenance is not None
    assert explained.provenance.lr.rule == "lr_scale * base_lr * auto_scale_lr"
    assert explained.certainty == "recomputed"
    (trace,) = (trace for trace in explained.considered if trace.cause == "auto_scale_lr")
    assert trace.reason == "every lr × 0.25: a batch of 2 on 3 GPUs / base_batch_size 24"
    text = str(render(shown.report, Canvas()))
    assert "lr_scale * base_lr * auto_scale_lr" in text
    assert "* 0.01 * 0.25 = 0.0025" in text


def test_diff_names_the_factor(tmp_path: Path) -> None:
    path = saved(SCALED, tmp_path)
    result = comparison(audit(path, launch=Launch(3)), audit(path, launch=Launch(12)))
    settings = {setting.name: (setting.before, setting.after) for setting in result.document.settings}
    assert settings == {"batch.lr_factor": (0.25, 1.0), "batch.gpus": (3, 12)}
    (note,) = (note for note in result.report.notes if "auto_scale_lr" in note.text)
    assert note.text == "auto_scale_lr alone makes every lr of the second config 4 times the lr of the first config"


def test_the_schedule_of_a_scaled_training_is_the_real_one(tmp_path: Path) -> None:
    seen = train(config_of("auto_scale_lr"), tmp_path / "real")
    path = saved(TRAININGS["auto_scale_lr"], tmp_path)
    group_map, planned = audit(path), load_plan(path)
    run = run_schedule(planned, group_map, run_length(planned.plan, iterations_per_epoch=5))
    tracks = [(track, run.series.tracks[track].groups) for track in run.series.of("lr")]
    for iteration, lrs in seen.lrs.items():
        by_group = {name: run.series.at(iteration, track) for track, groups in tracks for name in groups}
        assert [by_group[group.name] for group in group_map.groups] == lrs
    # The logged base_lr keeps the config's value, multiplied by the schedulers.
    (base,) = (track for key, track in run.log_keys if key == "base_lr")
    assert run.series.at(4, base) == pytest.approx(0.01)


def decaying(constructor: str, batch: int, folder: Path, **more: Any) -> str:
    imports = [*BASE["custom_imports"]["imports"], "tests.openmmlab.decay_by_gpus"]
    optimizer = dict(type="SGD", lr=0.01, weight_decay=0.0005, batch_size_per_gpu=batch) | more
    wrapper = dict(type="OptimWrapper", constructor=constructor, optimizer=optimizer)
    return saved(dict(custom_imports=dict(imports=imports), optim_wrapper=wrapper), folder)


@pytest.mark.parametrize("constructor", ["ByMmengine", "ByDistInfo", "ByTorch", "ByVariable"])
def test_a_constructor_gets_the_number_of_gpus(
    constructor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = decaying(constructor, 16, tmp_path)
    for gpus in (1, 8, 16):
        found = audit(path, launch=Launch(gpus))
        config = Config.fromfile(path)
        with process_group(gpus), monkeypatch.context() as patch:
            patch.setenv("WORLD_SIZE", str(gpus))
            real = build_optim_wrapper(MODELS.build(config.model), config.optim_wrapper).optimizer.param_groups
        assert [group.weight_decay for group in found.groups] == [group["weight_decay"] for group in real]
        assert found.groups[0].weight_decay == 0.0005 * max(gpus * 16 / 64, 1)
        assert found.batch
        assert found.batch.gpus == gpus
        assert list(disagreements(found)) == []
    unknown = audit(path).batch
    assert unknown
    assert (unknown.gpus, unknown.gpus_given) == (1, False)
    assert unknown.differs is not None
    assert (unknown.differs.number, unknown.differs.here, unknown.differs.gpus, unknown.differs.there) == (
        *("weight_decay", 0.0005),
        *(8, 0.001),
    )


def test_two_gpus_may_be_as_one(tmp_path: Path) -> None:
    """YOLO-World's numbers: 0.0625 on one and two GPUs, 0.25 on eight; the norms have AdamW's default of 0.01."""
    path = decaying("ByMmengine", 40, tmp_path, type="AdamW", weight_decay=0.05)
    found = [audit(path, launch=launch) for launch in (Launch(), Launch(2), Launch(8))]
    assert [[group.weight_decay for group in each.groups] for each in found] == [
        *([0.0625, 0.01], [0.0625, 0.01]),
        [0.25, 0.01],
    ]
    assert all(each.batch and each.batch.differs for each in found)
    assert [each.batch.differs.gpus for each in found if each.batch and each.batch.differs] == [8, 8, 1]


@pytest.mark.parametrize("gpus", [None, 2, 8])
def test_a_wrapped_model_has_the_numbers_of_the_same_gpus(gpus: int | None, tmp_path: Path) -> None:
    path = decaying("ByMmengine", 64, tmp_path)
    wrapper = "model_wrapper_cfg.type=MMDistributedDataParallel"
    scaling = ("auto_scale_lr.enable=True", "auto_scale_lr.base_batch_size=24")
    found = audit(path, cfg_options=(wrapper, *scaling), launch=Launch(gpus))
    assert found.wrapping
    numbers = [(group.lr, group.weight_decay) for group in found.groups]
    assert [(group.lr, group.weight_decay) for group in found.wrapping.groups] == numbers
    assert numbers[0] == (0.01 * ((gpus or 1) * BATCH / 24), 0.0005 * (gpus or 1))


def test_the_formula_is_the_constructors_own(tmp_path: Path) -> None:
    group_map = audit(decaying("ByMmengine", 16, tmp_path), launch=Launch(8))
    decayed, rest = (group.parameters[0].provenance for group in group_map.groups)
    assert decayed is not None
    assert rest is not None
    assert decayed.weight_decay.rule == "base_weight_decay * (gpus * batch_size_per_gpu * 1 / 64)"
    assert decayed.weight_decay.formula == "0.0005 * (8 * 16 * 1 / 64)"
    assert decayed.weight_decay.inputs == {"base_weight_decay": 0.0005, "gpus": 8, "batch_size_per_gpu": 16}
    assert eval(decayed.weight_decay.formula) == group_map.groups[0].weight_decay == 0.001
    assert (rest.weight_decay.result, rest.weight_decay.basis) == (0.0, "default")
    (explained,) = explanation(group_map, ["head.weight"]).document.explanations
    assert explained.certainty == "recomputed"


def test_the_rank_alone_is_no_question(tmp_path: Path) -> None:
    assert audit(decaying("ByNobody", 16, tmp_path)).batch is msgspec.UNSET
    # mmdet's own constructor reads the rank to log once.
    assert audit(saved(dict(optim_wrapper=LAYERS), tmp_path)).batch is msgspec.UNSET


def test_a_config_that_reads_the_launchers_variable(tmp_path: Path) -> None:
    line = "optim_wrapper['optimizer']['lr'] = 0.01 * int(__import__('os').environ.get('WORLD_SIZE', '1'))"
    path = saved({}, tmp_path, line)
    assert [audit(path, launch=Launch(gpus)).base_lr for gpus in (1, 4)] == [0.01, 0.04]
    unknown = audit(path).batch
    assert unknown
    assert unknown.differs is not None
    assert (unknown.differs.number, unknown.differs.gpus) == ("lr", 2)


_OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv}


@given(st.lists(st.tuples(st.sampled_from([*_OPERATORS]), st.integers(1, 9), st.sampled_from("lrn")), max_size=8))
def test_a_recorded_number_knows_how_to_compute_it_again(steps: list[tuple[str, int, str]]) -> None:
    number, plain = named("gpus", 8), 8.0 if not steps else 8
    for sign, operand, kind in steps:
        other = operand / 7 if kind == "n" else operand
        left, right = ((number, other), (plain, other)) if kind != "r" else ((other, number), (other, plain))
        if kind == "r" and sign in ("/", "//") and not plain:
            continue
        number, plain = _OPERATORS[sign](*left), _OPERATORS[sign](*right)
    found = formula_of(number)
    assert found is not None
    assert found.result == plain
    assert eval(found.formula) == plain
    assert eval(found.expression, {}, dict(found.inputs)) == plain
    rounded = formula_of(round(number * 1.0))
    assert rounded is not None
    assert eval(rounded.formula) == rounded.result == round(plain * 1.0)
