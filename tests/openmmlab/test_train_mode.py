"""``train()`` freezes and unfreezes after the optimizer is built: compare with plain builds and a real training."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from mmengine.config import Config
from mmengine.registry import MODELS

from lrdecay_cli.analysis.comparing.changes import diff
from lrdecay_cli.app.shell.main import run
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.training import TrainMode
from lrdecay_cli.files.config_path import find_config
from lrdecay_cli.files.map_file import EXPORT_AGAIN, read_map
from lrdecay_cli.files.writing import to_json
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.train_mode import in_train_mode
from lrdecay_cli.training import ParamGroupAuditHook
from tests.dry_run.trainings import BASE, DryToy, config_of, train
from tests.openmmlab.plain import plain_config, plain_groups, plain_model

ZOO = {
    ("mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py", 2): 66,
    ("mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py", 3): 96,
    ("mmdet::yolox/yolox_s_8xb8-300e_coco.py", 2): 51,
    ("mmdet::yolo/yolov3_d53_8xb8-320-273e_coco.py", 2): 12,
    ("mmdet::yolo/yolov3_mobilenetv2_8xb24-320-300e_coco.py", 2): 27,
    ("mmdet::efficientnet/retinanet_effb3_fpn_8xb4-crop896-1x_coco.py", 2): 23,
    ("mmpretrain::swin_transformer/swin-tiny_16xb64_in1k.py", 2): 143,
}
"""By config and ``frozen_stages``: the number of tensors that ``train()`` freezes."""
IMPORTS = {"imports": ["tests.openmmlab.test_train_mode"]}


@MODELS.register_module(force=True)
class ThawingToy(DryToy):
    """Freezes a part of the backbone at its build, and unfreezes it in ``train()``."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone.stages[0].requires_grad_(False)

    def train(self, mode: bool = True) -> ThawingToy:
        super().train(mode)
        self.backbone.stages[0].requires_grad_(True)
        return self


@MODELS.register_module(force=True)
class RaisingToy(DryToy):
    """Raises in ``train()`` after it has frozen a parameter."""

    def train(self, mode: bool = True) -> RaisingToy:
        self.backbone.stages[0].requires_grad_(False)
        raise ValueError("frozen_stages is 7\nof 4")


def states(group_map: GroupMap) -> dict[str, set[str]]:
    """Return names by status."""
    found: dict[str, set[str]] = {}
    for tensor in group_map.tensors():
        found.setdefault(tensor.status, set()).add(tensor.name)
    return found


def dumped(folder: Path, **settings: object) -> str:
    """Write a toy config with these settings to a file."""
    path = folder / "config.py"
    Config({**BASE, **settings}).dump(path)
    return str(path)


@pytest.fixture(scope="module")
def frozen_toy(tmp_path_factory: pytest.TempPathFactory) -> str:
    return dumped(tmp_path_factory.mktemp("frozen"), model={"type": "DryToy", "frozen": 2})


@pytest.mark.parametrize(("config", "stages"), ZOO, ids=lambda given: Path(str(given)).stem)
def test_parameters_frozen_by_train_in_the_zoo(config: str, stages: int) -> None:
    loaded = plain_config(str(find_config(config)))
    loaded.model.backbone.frozen_stages = stages
    model = plain_model(loaded)
    groups = plain_groups(loaded, model)
    model.train()
    untrained = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    group_map = audit(config, cfg_options=(f"model.backbone.frozen_stages={stages}",))
    assert states(group_map)["frozen by train()"] == untrained
    assert len(untrained) == ZOO[config, stages]
    assert [[p.name for p in group.parameters] for group in group_map.groups] == [group["names"] for group in groups]


def test_a_training_and_its_hook_agree_with_the_map(frozen_toy: str, tmp_path: Path) -> None:
    audited = audit(frozen_toy)
    baseline = tmp_path / "audited.json"
    baseline.write_text(to_json(audited))
    config = config_of("train() freezes")
    config.custom_hooks = [{"type": ParamGroupAuditHook.__name__, "baseline": str(baseline)}]
    seen = train(config, tmp_path / "work")
    written = read_map(str(tmp_path / "work/param_groups.json"))
    assert states(written) == states(audited) == states(read_map(str(baseline)))
    assert written.training.train_mode == audited.training.train_mode
    assert states(audited)["grouped"] == seen.trainable[0] == seen.moved


def test_it_is_shown(frozen_toy: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = {}
    for command in (
        ("inspect",),
        ("inspect", "--by", "parameter"),
        ("inspect", "--by", "module"),
        ("inspect", "--format", "html"),
        ("check",),
        ("explain", "backbone.stages.0.0.weight"),
    ):
        name, *arguments = command
        assert run([name, frozen_toy, *arguments]) == 0
        shown[command] = capsys.readouterr().out
    assert "frozen by train() after the optimizer is built, still in groups: 4 tensors" in shown["inspect",]
    assert "4 frozen (4 in groups, 4 by train())" in shown["inspect",]
    assert shown["inspect", "--by", "parameter"].count("  frozen by train()  ") == 4
    assert "frozen by train()" in shown["inspect", "--by", "module"]
    assert shown["inspect", "--format", "html"].count('"frozen by train()"') == 4
    assert "LRD103 frozen-parameter-in-group: train() freezes 4 tensors with 40 parameters" in shown["check",]
    assert "train()" in shown["explain", "backbone.stages.0.0.weight"].partition("state")[2].splitlines()[0]


def test_a_map_that_does_not_know_it_is_no_other(frozen_toy: str, tmp_path: Path) -> None:
    known, trained = audit(frozen_toy), audit(dumped(tmp_path, model={"type": "DryToy"}))
    unknown = msgspec.structs.replace(
        trained, training=msgspec.structs.replace(trained.training, train_mode=msgspec.UNSET)
    )
    assert {change.parameter for change in diff(trained, known)} == states(known)["frozen by train()"]
    assert {change.aspect for change in diff(trained, known)} == {"frozen"}
    assert not list(diff(unknown, known))
    assert not list(diff(known, unknown))


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [({"paramwise_cfg": None}, "grouped, unfrozen by train()", 0), ({}, "missing, unfrozen by train()", 1)],
)
def test_parameters_unfrozen_by_train(
    options: dict[str, object], status: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """mmengine's constructor skips parameters that are frozen when it runs, unless it has no options."""
    wrapper = {**BASE["optim_wrapper"], **options}
    path = dumped(tmp_path, model={"type": "ThawingToy"}, optim_wrapper=wrapper, custom_imports=IMPORTS)
    assert states(audit(path))[status] == {"backbone.stages.0.0.weight", "backbone.stages.0.0.bias"}
    assert run(["check", path, "--select", "LRD101"]) == code
    assert (": train() unfreezes 2 of these tensors after the optimizer is built" in capsys.readouterr().out) == bool(
        code
    )
    moved = train(Config.fromfile(path), tmp_path / "work").moved
    assert ("backbone.stages.0.0.weight" in moved) == (code == 0)


def test_train_raises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = dumped(tmp_path, model={"type": "RaisingToy"}, custom_imports=IMPORTS)
    group_map = audit(path)
    assert group_map.training.train_mode.error == "ValueError: frozen_stages is 7 of 4"
    assert len(states(group_map)["frozen by train()"]) == 2
    assert run(["inspect", path]) == 0
    message = "model.train() raises before the first iteration: ValueError: frozen_stages is 7 of 4"
    assert message in capsys.readouterr().out
    with pytest.raises(ValueError, match="frozen_stages is 7"):
        train(Config.fromfile(path), tmp_path / "work")
    assert run(["dry-run", path, "--iters-per-epoch", "5"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_train_method_that_depends_on_calls_and_indexes_tensors() -> None:
    """mmpretrain's LeViT stores indexed biases at every second call."""
    config = "mmpretrain::levit/levit-128s_8xb256_in1k.py"
    loaded = plain_config(str(find_config(config)))
    model = plain_model(loaded)
    attention = next(module for module in model.modules() if hasattr(module, "attention_bias_idxs"))
    with in_train_mode(model):
        assert hasattr(attention, "ab")
    assert not hasattr(attention, "ab")
    assert run(["dry-run", config, "--iters-per-epoch", "2", "--steps", "2"]) == 0


def test_the_model_is_as_it_was() -> None:
    model = DryToy(frozen=2)
    model.backbone.norm.eval()
    with in_train_mode(model) as train_mode:
        assert len(train_mode.freezes) == 4
        assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert [module for module in model.modules() if not module.training] == [model.backbone.norm]


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        (TrainMode(("head.weight",), (), None), "freezes[0]: 'head.weight' takes a gradient"),
        (TrainMode((), ("backbone.stages.0.0.bias",), None), "thaws[0]: 'backbone.stages.0.0.bias' takes no gradient"),
        (TrainMode((), ("tail",), None), "thaws[0]: 'tail' is not a parameter of this map"),
    ],
)
def test_a_map_that_contradicts_itself(changed: TrainMode, where: str, frozen_toy: str, tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    document = json.loads(to_json(audit(frozen_toy)))
    document["training"]["train_mode"] = msgspec.to_builtins(changed)
    path.write_text(json.dumps(document))
    with pytest.raises(LrdecayError) as caught:
        read_map(str(path))
    assert caught.value.line() == f"{path}: $.training.train_mode.{where}; {EXPORT_AGAIN}"
