"""Facts that a dry run reports about a training, compared with mmengine's own Runner on data and gradients."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest
from mmengine.config import Config

from lrdecay_cli.analysis.scheduling.run_length import run_length
from lrdecay_cli.domain.dry_run import DryRun
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.training import Launch
from lrdecay_cli.files.map_file import read_map
from lrdecay_cli.files.writing import to_json
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.dry_run import dry_run
from lrdecay_cli.openmmlab.schedulers.training_plan import load_plan
from lrdecay_cli.training import ParamGroupAuditHook  # noqa: F401 - registers itself
from tests.dry_run.trainings import BASE, BATCH, CONVERTED, FULLY_SHARDED, ITERATIONS, TRAININGS, Seen, config_of, train


def saved(config: Config, folder: Path) -> Config:
    """Return the text of the config file, which has the keys in another order."""
    config.dump(folder / "config.py")
    return Config.fromfile(folder / "config.py")


def dry(config: Config, folder: Path, **options: Any) -> tuple[DryRun, dict[int, list[float | None]]]:
    """Return a dry run of the config, and the lr of every group in every iteration."""
    path = folder / "config.py"
    config.dump(path)
    planned = load_plan(str(path))
    trace: list[tuple[int, list[float | None]]] = []
    length = run_length(planned.plan, iterations_per_epoch=ITERATIONS)
    found = dry_run(planned, length, batch_size=BATCH, trace=trace, **options).record
    lrs = dict(trace)
    for iteration in range(min(lrs), found.iterations):
        if iteration not in lrs:
            lrs[iteration] = lrs[iteration - 1]
    return found, dict(sorted(lrs.items()))


Trained = tuple[Seen, DryRun, dict[int, list[float | None]]]


@pytest.fixture(scope="module", params=TRAININGS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Return a training by mmengine, its dry run, and the lr of every group in every iteration of the dry run."""
    folder = tmp_path_factory.mktemp("trained")
    config = saved(config_of(request.param), folder)
    return train(config, folder / "real"), *dry(config, folder)


def test_every_iteration_is_as_in_the_real_training(trained: Trained) -> None:
    seen, found, lrs = trained
    assert lrs == seen.lrs
    assert [group.first.lr for group in found.groups] == seen.lrs[0]
    assert [group.peak.lr for group in found.groups] == [max(of) for of in zip(*seen.lrs.values(), strict=True)]
    assert found.first_log
    assert seen.log[0].startswith(f"{found.first_log.text}  ")
    last = max(seen.lrs)
    assert {group.last.iteration for group in found.groups} == {last}
    assert [group.last.lr for group in found.groups] == seen.lrs[last]
    assert [group.weight_decay for group in found.groups] == seen.weight_decays[0]
    assert [group.last_weight_decay for group in found.groups] == seen.weight_decays[last]


def test_the_same_parameters_train_and_move(trained: Trained) -> None:
    seen, found, _ = trained
    every = {parameter for group in found.groups for parameter in group.parameters}
    trainable = set(every)
    changes = {change.cause.iteration: [] for change in found.states}
    for change in found.states:
        changes[change.cause.iteration].append(change)
    for iteration, really in seen.trainable.items():
        for change in changes.get(iteration, ()):
            trainable = trainable | {*change.parameters} if change.trainable else trainable - {*change.parameters}
        assert trainable == really, iteration
    never = every - set().union(*seen.trainable.values())
    assert {*found.frozen} == every - seen.trainable[max(seen.trainable)]
    at_zero = {p for group in found.groups if group.peak.lr == 0 for p in group.parameters}
    assert seen.moved == every - never - at_zero
    assert found.unmoved == found.moved_at_zero == ()


def test_a_longer_schedule_is_not_that_of_a_resumed_training(tmp_path: Path) -> None:
    """mmengine restores the schedulers too: a schedule that ended at epoch 4 stays ended, despite 8 in the config."""
    saving = dict(checkpoint=dict(type="CheckpointHook", interval=1), logger=dict(type="LoggerHook", interval=1000))
    short = Config({**BASE, "param_scheduler": [CONVERTED], "default_hooks": saving})
    train(short, tmp_path / "short")
    longer = Config({**short._cfg_dict.to_dict(), "train_cfg": dict(by_epoch=True, max_epochs=8)})
    longer.param_scheduler = [dict(CONVERTED, T_max=8, end=8)]
    checkpoint = str(tmp_path / "short" / "epoch_4.pth")
    with unsafe_loading():
        seen = train(longer, tmp_path / "longer", resume=checkpoint)
    found, lrs = dry(longer, tmp_path, resume=checkpoint)
    assert lrs == seen.lrs
    assert min(lrs) == 4 * ITERATIONS
    assert found.first_log
    assert seen.log[0].startswith(found.first_log.text)
    assert set(map(tuple, lrs.values())) == {tuple(lrs[4 * ITERATIONS])}
    anew, _ = dry(longer, tmp_path)
    assert anew.groups[0].first.lr != found.groups[0].first.lr


@contextmanager
def unsafe_loading() -> Iterator[None]:
    """mmengine 0.10.7 cannot resume its own checkpoints if torch.load defaults to weights_only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
        yield


WORKER = """
import json, os, sys
import torch, torch.distributed as dist
from pathlib import Path
from mmengine.config import Config
from lrdecay_cli.openmmlab.stubs.missing_modules import install_stubs
install_stubs()
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODEL_WRAPPERS, MODELS
from lrdecay_cli.training import ParamGroupAuditHook  # noqa: F401 - registers itself
from tests.dry_run.trainings import FULLY_SHARDED, config_of, train
folder, child = Path(sys.argv[1]), os.fork()
rank = int(child == 0)
dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
logs = dict(checkpoint=None, logger=dict(type="LoggerHook", interval=2))
hook = dict(type="ParamGroupAuditHook", log_lr=True)
config = Config({**config_of("auto_scale_lr")._cfg_dict.to_dict(), "default_hooks": logs, "custom_hooks": [hook]})
seen = train(config, folder / str(rank))
groups = []
for wrapper, optimizer in FULLY_SHARDED:
    model = MODELS.build(dict(type="DryToy"))
    wrapped = MODEL_WRAPPERS.build(dict(wrapper, module=model, device_id=torch.device("cpu")))
    built = build_optim_wrapper(wrapped, Config(dict(optim_wrapper=optimizer)).optim_wrapper)
    found = built.optimizer.param_groups
    groups.append([(group["lr"], group["weight_decay"], len(group["params"])) for group in found])
(folder / f"{rank}.json").write_text(json.dumps([[seen.lrs[0], seen.lrs[max(seen.lrs)]], groups]))
dist.destroy_process_group()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return results of a training in two processes: first and last lrs, groups of every sharded model, the log."""
    folder = tmp_path_factory.mktemp("two")
    # One thread in each process, as torchrun sets it.
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    # The second process is forked from the first, which has imported torch and mmdet by then.
    subprocess.run([sys.executable, "-c", WORKER, str(folder)], env=environment, check=True, timeout=300)
    real = [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert real[0] == real[1]
    (log,) = folder.glob("*/*/vis_data/scalars.json")
    return (*real[0], [json.loads(line) for line in log.read_text().splitlines()])


@pytest.mark.slow
def test_two_processes_scale_the_lr_as_two_gpus_do(tmp_path: Path, two_processes: Any) -> None:
    found, _ = dry(config_of("auto_scale_lr"), tmp_path, launch=Launch(2))
    assert [[group.first.lr for group in found.groups], [group.last.lr for group in found.groups]] == two_processes[0]
    assert (found.gpus, found.lr_factor) == (2, 2 * BATCH / 8)
    logged = [line for line in two_processes[2] if "lr/head" in line]
    # Half of the config's lr, and 0.55 of it in the second iteration of the warm-up; only the first rank logs.
    head = 0.01 * 0.5 * 0.55
    assert logged[0] == {"lr/backbone": pytest.approx(head / 10), "lr/head": pytest.approx(head), "step": 2}


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(FULLY_SHARDED)))
def test_two_processes_group_a_sharded_model_as_here(index: int, tmp_path: Path, two_processes: Any) -> None:
    wrapper, optimizer = FULLY_SHARDED[index]
    config = Config({**BASE, "model_wrapper_cfg": wrapper, "optim_wrapper": optimizer})
    found, _ = dry(config, tmp_path, launch=Launch(2))
    group_map = audit(str(tmp_path / "config.py"))
    assert group_map.wrapping
    flat = {*group_map.wrapping.flat}
    real = [(lr, decay) for lr, decay, _ in two_processes[1][index]]
    assert [(group.lr, group.weight_decay) for group in group_map.wrapping.groups] == real
    assert [(group.built_lr, group.weight_decay) for group in found.groups] == real
    names = [name for group in found.groups for name in group.parameters]
    assert sorted(names) == sorted(parameter.name for _, parameter in group_map.grouped())
    units = sum(tensors for _, _, tensors in two_processes[1][index])
    assert flat == ({*names} if units == 1 else set())
    assert found.unmoved == ()


@pytest.mark.parametrize("schedulers", [None, [CONVERTED]])
def test_the_audit_hook_accepts_a_training_that_is_scaled(tmp_path: Path, schedulers: Any) -> None:
    """auto_scale_lr multiplies the lr after the groups were audited: only another lr is a difference."""
    config = Config({**config_of("auto_scale_lr")._cfg_dict.to_dict(), "param_scheduler": schedulers})
    config = saved(config, tmp_path)
    audited = tmp_path / "audited.json"
    audited.write_text(to_json(audit(str(tmp_path / "config.py"))))
    hook = dict(type="ParamGroupAuditHook", baseline=str(audited))
    seen = train(Config({**config._cfg_dict.to_dict(), "custom_hooks": [hook]}), tmp_path / "real")
    assert {round(lr, 6) for lr in seen.lrs[0]} == {0.0025, 0.00025}
    assert read_map(str(tmp_path / "real" / "param_groups.json")).groups == read_map(str(audited)).groups
    other = Config({**config._cfg_dict.to_dict(), "custom_hooks": [hook]})
    other.optim_wrapper.optimizer.lr = 0.02
    with pytest.raises(LrdecayError, match="differ from the audited groups"):
        train(other, tmp_path / "other")


@pytest.mark.parametrize("audited_for", ["1 GPU", "no auto_scale_lr", "8 GPUs by assumption", "8 GPUs"])
def test_the_audit_hook_knows_for_how_many_gpus_was_audited(audited_for: str, tmp_path: Path) -> None:
    config = saved(config_of("auto_scale_lr"), tmp_path)
    options = ("auto_scale_lr.enable=False",) if audited_for == "no auto_scale_lr" else ()
    launch = Launch(1) if audited_for == "1 GPU" else Launch(8) if "8" in audited_for else Launch()
    group_map = audit(str(tmp_path / "config.py"), cfg_options=options, launch=launch)
    if "assumption" in audited_for:
        assert group_map.batch
        batch = msgspec.structs.replace(group_map.batch, gpus_given=False)
        group_map = msgspec.structs.replace(group_map, batch=batch)
    audited = tmp_path / "audited.json"
    audited.write_text(to_json(group_map))
    hook = dict(type="ParamGroupAuditHook", baseline=str(audited))
    training = Config({**config._cfg_dict.to_dict(), "custom_hooks": [hook]})
    with pytest.raises(LrdecayError, match="differ from the audited") if audited_for == "8 GPUs" else nullcontext():
        train(training, tmp_path / "real")
    live = read_map(str(tmp_path / "real" / "param_groups.json"))
    assert live.batch
    assert (live.batch.gpus, live.batch.lr_factor) == (1, 0.25)
