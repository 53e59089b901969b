"""Maps of checkpoints, compared with the optimizers that saved them and those that mmengine restores from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lrdecay_cli.analysis.comparing.report import check_aspects, comparison
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.checkpoints.group_map import checkpoint_map
from lrdecay_cli.openmmlab.checkpoints.saved_groups import Inert, load_checkpoint
from tests.openmmlab.runs import BATCH, RECORDED, RUNS, Run, config_of, runner_of, train


@pytest.fixture(scope="module")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Return a training by name; each is trained once."""
    done: dict[str, Run] = {}

    def run(name: str) -> Run:
        if name not in done:
            done[name] = train(name, tmp_path_factory.mktemp(name))
        return done[name]

    return run


def live_numbers(runner: Any) -> dict[str, tuple[Any, ...]]:
    """Return lr, initial lr, weight decay and shape of every parameter in the live optimizers, by name."""
    names = {id(parameter): name for name, parameter in runner.model.named_parameters()}
    wrapper = runner.optim_wrapper
    optimizers = [one.optimizer for _, one in wrapper.items()] if hasattr(wrapper, "items") else [wrapper.optimizer]
    return {
        names[id(tensor)]: (group["lr"], group["initial_lr"], group["weight_decay"], tuple(tensor.shape))
        for optimizer in optimizers
        for group in optimizer.param_groups
        for tensor in group["params"]
    }


def mapped_numbers(group_map: GroupMap) -> dict[str, tuple[Any, ...]]:
    return {
        parameter.name: (group.lr, group.options["initial_lr"], group.weight_decay, parameter.shape)
        for group, parameter in group_map.grouped()
    }


@pytest.mark.parametrize("name", RUNS)
def test_map_equals_the_live_optimizer(run_of: Callable[[str], Run], name: str) -> None:
    run = run_of(name)
    config = audit(str(run.config))
    read = checkpoint_map(str(run.checkpoint), config)
    assert mapped_numbers(read) == live_numbers(run.runner)
    scales = {parameter.name: group.lr_scale for group, parameter in config.grouped()}
    assert {parameter.name: group.lr_scale for group, parameter in read.grouped()} == pytest.approx(scales)
    assert all(math.isclose(group.lr or 0, group.options["initial_lr"] / 10) for group in read.groups)
    assert (read.base_lr, read.model, read.frozen) == (config.base_lr, config.model, config.frozen)
    assert (read.constructor.type, read.checkpoint and read.checkpoint.iteration) == (config.constructor.type, 3)
    assert (read.optimizer.types, read.optimizer.effects) == (config.optimizer.types, config.optimizer.effects)


@pytest.mark.parametrize("gpus", [1, 6])
@pytest.mark.parametrize("name", [name for name in RUNS if name != "amp"])
def test_the_lr_scale_of_a_checkpoint_omits_the_factor_of_auto_scale_lr(name: str, gpus: int, tmp_path: Path) -> None:
    """The lrs show the number of GPUs, although the config is audited for one GPU."""
    run = train(name, tmp_path, gpus)
    config = audit(str(run.config))
    read = checkpoint_map(str(run.checkpoint), config)
    assert mapped_numbers(read) == live_numbers(run.runner)
    assert read.batch
    assert (read.batch.gpus, read.batch.lr_factor) == (gpus, gpus * BATCH / 8)
    assert (read.base_lr, config.lr_factor) == (config.base_lr, BATCH / 8)
    result = comparison(config, read, only=check_aspects(["lr_scale,weight_decay"], 0.0))
    assert result.document.identical
    named = [setting.name for setting in result.document.settings if setting.name.startswith("batch.")]
    assert named == ([] if gpus == 1 else ["batch.lr_factor", "batch.gpus"])
    if name in RECORDED:
        assert checkpoint_map(str(run.checkpoint)).batch == read.batch


def test_another_lr_scale_is_not_another_number_of_gpus(tmp_path: Path) -> None:
    """Half the lr scale on two GPUs would give the same lr, but other groups show that there was one GPU."""
    run = train("custom_keys", tmp_path, 1)
    halved = audit(str(run.config), cfg_options=("optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult=0.05",))
    read = checkpoint_map(str(run.checkpoint), halved)
    assert (read.batch and read.batch.gpus, {group.lr_scale for group in read.groups}) == (1, {0.1, 1.0})


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_names_need_no_config(run_of: Callable[[str], Run], name: str) -> None:
    run = run_of(name)
    read = checkpoint_map(str(run.checkpoint))
    assert mapped_numbers(read) == live_numbers(run.runner)
    assert read.base_lr == 0.01
    assert (read.model.type, read.checkpoint and read.checkpoint.names) == ("LrdecayToyClassifier", "recorded")
    built = audit(str(run.config)).optimizer
    assert (read.optimizer.type, read.optimizer.effects) == (built.type, built.effects)
    assert built.effects


@pytest.mark.parametrize("name", [name for name in RUNS if name not in RECORDED])
def test_unrecorded_names_are_requested(run_of: Callable[[str], Run], name: str) -> None:
    with pytest.raises(LrdecayError, match=r"contains no parameter names.*--config .*/vis_data/config.py"):
        checkpoint_map(str(run_of(name).checkpoint))


def test_values_beside_unknown_values_of_the_config_are_known(run_of: Callable[[str], Run], tmp_path: Path) -> None:
    """A config may contain a value without a literal, which mmengine writes as its repr; no such text is executed."""

    def add(checkpoint: dict[str, Any]) -> None:
        text = checkpoint["meta"]["cfg"].replace("type='AdamW'", "type='AdamW', betas=array([0.9]), fused=False")
        checkpoint["meta"]["cfg"] = f"{text}\ndtype = torch.float16\n"

    read = checkpoint_map(str(resaved(run_of("mmdet_decay"), tmp_path, add)))
    known = (read.model.type, read.constructor.type, read.optimizer.type, read.optimizer.options)
    constructor = "mmdet.LearningRateDecayOptimizerConstructor"
    assert known == ("LrdecayToyClassifier", constructor, "AdamW", {"fused": False})


@pytest.mark.parametrize("name", ["custom_keys", "amp", "mmdet_decay", "two_optimizers"])
def test_map_equals_the_groups_of_a_real_resume(
    run_of: Callable[[str], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The config now has another lr and weight decay; mmengine replaces them with the saved ones."""
    # mmengine 0.10.7 cannot resume from its own checkpoints if torch loads only weights by default.
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    run = run_of(name)
    config = config_of(name, tmp_path)
    changed: dict[str, Any] = {"type": "Adam" if name == "two_optimizers" else "AdamW", "lr": 0.5}
    if name == "two_optimizers":
        wrapper = {**config["optim_wrapper"], "generator": {"optimizer": changed}}
    else:
        wrapper = {**config["optim_wrapper"], "optimizer": {**changed, "weight_decay": 0.7}}
    runner = runner_of({**config, "optim_wrapper": wrapper, "resume": True, "load_from": str(run.checkpoint)})
    # As Runner.train does before a resume.
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
    assert 0.5 in {numbers[1] for numbers in live_numbers(runner).values()}
    runner.load_or_resume()
    assert live_numbers(runner) == mapped_numbers(checkpoint_map(str(run.checkpoint), audit(str(run.config))))


def resaved(run: Run, folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Change the checkpoint of a training."""
    loaded = dict(load_checkpoint(str(run.checkpoint))[0])
    loaded = {key: loaded[key] for key in ("meta", "state_dict", "optimizer")}
    change(loaded)
    torch.save(loaded, folder / "changed.pth")
    return folder / "changed.pth"


def _drop_group(checkpoint: dict[str, Any]) -> None:
    checkpoint["optimizer"]["param_groups"].pop()


def _swap(checkpoint: dict[str, Any]) -> None:
    groups = checkpoint["optimizer"]["param_groups"]
    first, second = groups[0], groups[1]
    first["params"], second["params"] = second["params"], first["params"]


def _rename(checkpoint: dict[str, Any]) -> None:
    checkpoint["state_dict"]["head.w"] = checkpoint["state_dict"].pop("head.weight")


def _widen(checkpoint: dict[str, Any]) -> None:
    checkpoint["state_dict"]["head.weight"] = torch.zeros(2, 9)


def _merge(checkpoint: dict[str, Any]) -> None:
    groups = checkpoint["optimizer"]["param_groups"]
    groups[0]["params"] += groups.pop()["params"]
    groups.append({**groups[0], "params": []})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop_group, "5 groups in the checkpoint, 6 in the config"),
        (_swap, "'backbone.0.weight' is 4 in the checkpoint's optimizer, 4×3×1×1 in the config"),
        (_rename, "the checkpoint's model has no parameter 'head.weight'"),
        (_widen, "'head.weight' is 2×9 in the checkpoint's model, 2×4 in the config"),
        (_merge, "group 0 has 2 tensors in the checkpoint, 1 in the config"),
    ],
)
def test_a_config_that_does_not_fit_names_nothing(
    run_of: Callable[[str], Run], tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    run = run_of("custom_keys")
    with pytest.raises(LrdecayError) as refused:
        checkpoint_map(str(resaved(run, tmp_path, change)), audit(str(run.config)))
    assert f"does not fit {run.config}: {message};" in refused.value.line()


def test_the_text_of_a_config_is_named_where_there_is_one(run_of: Callable[[str], Run], tmp_path: Path) -> None:
    run = run_of("custom_keys")
    config = audit(str(run.config))

    def without_text(checkpoint: dict[str, Any]) -> None:
        _drop_group(checkpoint)
        del checkpoint["meta"]["cfg"]

    for change, reported in ((_drop_group, True), (without_text, False)):
        with pytest.raises(LrdecayError, match="give the config of the training") as refused:
            checkpoint_map(str(resaved(run, tmp_path, change)), config)
        assert ("meta['cfg']" in refused.value.line()) is reported


def test_recorded_names_are_used_and_a_resume_that_swaps_them_is_reported(
    run_of: Callable[[str], Run], tmp_path: Path
) -> None:
    """Two groups of equal sizes in reversed order: mmengine would not notice."""
    run = run_of("mmpretrain_decay")

    def reorder(checkpoint: dict[str, Any]) -> None:
        groups = checkpoint["optimizer"]["param_groups"]
        groups[0], groups[1] = groups[1], groups[0]

    config = audit(str(run.config))
    read = checkpoint_map(str(resaved(run, tmp_path, reorder)), config)
    assert mapped_numbers(read) == live_numbers(run.runner)
    assert read.checkpoint
    assert read.checkpoint.misfit == ("group 0 contains 'backbone.pos_embed', but the config has 'backbone.cls_token'")
    notes = [note for note in comparison(config, read).report.notes if note.level == "warning"]
    assert [(note.text, note.details) for note in notes] == [
        (f"{run.config} cannot resume from this checkpoint", (read.checkpoint.misfit,))
    ]


def _nothing(checkpoint: dict[str, Any]) -> None:
    del checkpoint["optimizer"]


def _set(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda checkpoint: checkpoint["optimizer"]["param_groups"][0].update(values)


def _tower() -> list[Any]:
    """A list with 2 ** 60 entries when written out, but small in memory and in a pickle."""
    tower: list[Any] = []
    for _ in range(60):
        tower = [tower, tower]
    return tower


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_nothing, "contains no optimizer"),
        (lambda checkpoint: checkpoint.update(optimizer=[1]), "contains no optimizer"),
        (lambda checkpoint: checkpoint.update(optimizer={"a": 1}), "optimizer 'a.' has no param_groups"),
        (
            lambda checkpoint: checkpoint["optimizer"].update(param_groups=[3]),
            "param_groups[0] does not have torch's format",
        ),
        (_set(params=None), "param_groups[0] does not have torch's format: the group has no list 'params'"),
        (_set(lr="high"), "param_groups[0] does not have torch's format: 'high' is not a number"),
        (_set(lr=_tower()), "param_groups[0] does not have torch's format: 'list' is not a number"),
        (_set(initial_lr=10**400), "param_groups[0] does not have torch's format"),
    ],
)
def test_odd_optimizers_are_refused(
    run_of: Callable[[str], Run], tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    run = run_of("mmdet_decay")
    with pytest.raises(LrdecayError) as refused:
        checkpoint_map(str(resaved(run, tmp_path, change)))
    assert message in refused.value.line()


def _without_top(checkpoint: dict[str, Any]) -> None:
    """Keep only groups without the base lr, and remove its other sources."""
    optimizer = checkpoint["optimizer"]
    optimizer["param_groups"] = [group for group in optimizer["param_groups"] if group["lr_scale"] != 1]
    del optimizer["base_param_settings"], checkpoint["meta"]


def _without_agreement(checkpoint: dict[str, Any]) -> None:
    _without_top(checkpoint)
    checkpoint["optimizer"]["param_groups"][0]["initial_lr"] *= 2


@pytest.mark.parametrize(("change", "base"), [(_without_top, 0.01), (_without_agreement, None)])
def test_the_base_lr_follows_from_the_recorded_scales(
    run_of: Callable[[str], Run], tmp_path: Path, change: Callable[[dict[str, Any]], None], base: float | None
) -> None:
    run = run_of("mmdet_decay")
    read = checkpoint_map(str(resaved(run, tmp_path, change)))
    assert read.base_lr == base
    recorded = {group.name: group.lr_scale for group in audit(str(run.config)).groups}
    assert {group.name: group.lr_scale for group in read.groups} == {
        name: scale for name, scale in recorded.items() if scale != 1
    }


def test_a_shared_tensor_is_counted_once(tmp_path: Path) -> None:
    """The groups are as in a live optimizer; torch warns and saves them."""
    weight = torch.nn.Parameter(torch.zeros(2, 3))
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optimizer = torch.optim.SGD([{"params": [weight, weight], "param_names": ["head.weight"] * 2}], lr=0.1)
    torch.save({"state_dict": {"head.weight": weight}, "optimizer": optimizer.state_dict()}, tmp_path / "twice.pth")
    read = checkpoint_map(str(tmp_path / "twice.pth"))
    assert [parameter.name for _, parameter in read.grouped()] == ["head.weight"]
    assert [(duplicate.name, duplicate.of, duplicate.numel) for duplicate in read.duplicates] == [
        ("head.weight", "head.weight", 6)
    ]
    assert (read.model.totals.tensors, read.model.totals.parameters) == (1, 6)


@pytest.mark.parametrize("state", [{"steps": 3, "exp_avg": None}, {"exp_avg": [1.0]}, {}, 3])
def test_an_optimizer_state_without_shapes_is_accepted(
    run_of: Callable[[str], Run], tmp_path: Path, state: object
) -> None:
    """The saved model or the config gives the shapes if the state of a custom or new optimizer has none."""
    run = run_of("mmdet_decay")

    def replace(checkpoint: dict[str, Any]) -> None:
        checkpoint["optimizer"]["state"] = dict.fromkeys(checkpoint["optimizer"]["state"], state)

    changed = str(resaved(run, tmp_path, replace))
    assert mapped_numbers(checkpoint_map(changed)) == mapped_numbers(checkpoint_map(str(run.checkpoint)))
    assert mapped_numbers(checkpoint_map(changed, audit(str(run.config)))) == live_numbers(run.runner)


def test_a_vulnerable_torch_reads_no_checkpoint(run_of: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(run_of("mmdet_decay").checkpoint)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was loaded"))
    for version in ("1.13.1", "2.9.1+cu126"):
        monkeypatch.setattr(torch, "__version__", version)
        with pytest.raises(LrdecayError) as refused:
            load_checkpoint(path)
        assert f"torch {version} may run code of a hostile checkpoint" in refused.value.line()
        assert refused.value.fix.startswith("read the checkpoint with torch 2.10 or newer")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        *((np.dtype(kind).type(3), 3) for kind in ("f8", "f4", "i8", "i4", "u8", "u4")),
        (np.float16(3), None),
        (np.bool_(True), None),
        (np.datetime64("2026-01-01"), None),
    ],
    ids=str,
)
def test_numbers_of_numpy_in_a_checkpoint(value: Any, read: float | None, tmp_path: Path) -> None:
    """Numpy numbers of a message hub become numbers again; any other object becomes an inert object."""
    torch.save({"state_dict": {}, "eta": value}, tmp_path / "eta.pth")
    loaded = load_checkpoint(str(tmp_path / "eta.pth"))[0]["eta"]
    assert (type(loaded) is Inert) if read is None else loaded == read


def test_options_that_no_group_has_are_not_read(run_of: Callable[[str], Run], tmp_path: Path) -> None:
    run = run_of("mmdet_decay")
    plain = mapped_numbers(checkpoint_map(str(run.checkpoint)))
    odd = resaved(run, tmp_path, _set(betas=_tower(), extra={"a": 1}, param_scheduler="x", lr_scale=None))
    read = checkpoint_map(str(odd))
    assert mapped_numbers(read) == plain
    assert (read.groups[0].options["betas"], read.groups[0].options["extra"]) == ("list", "dict")


def test_loaded_values_are_those_of_a_free_load(run_of: Callable[[str], Run]) -> None:
    """torch loads the same content from our own file without restrictions, except for the message hub."""
    path = str(run_of("custom_keys").checkpoint)
    loaded, _ = load_checkpoint(path)
    free = torch.load(path, weights_only=False)
    assert list(loaded) == list(free)
    assert list(_flat({key: loaded[key] for key in loaded if key != "message_hub"})) == list(
        _flat({key: free[key] for key in free if key != "message_hub"})
    )
    eta = free["message_hub"]["runtime_info"]["eta"]
    assert type(eta).__module__ == "numpy"
    assert loaded["message_hub"]["runtime_info"]["eta"] == float(eta)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _flat(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _flat(item)
    else:
        yield value.tolist() if isinstance(value, torch.Tensor) else value
