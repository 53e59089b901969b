"""Objects that a model requests during its build, and their stubs: the same parameters, and a note about the stub."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch.distributed
from mmengine.config import Config
from torch import nn

from lrdecay_cli.domain.group_map import Stub
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.build_context import constructing
from lrdecay_cli.openmmlab.config_file import find_config
from lrdecay_cli.openmmlab.stubs.missing_modules import build_with_stubs, lone_process_group
from lrdecay_cli.rules.registry import BASE
from tests.openmmlab.network import network_refused
from tests.openmmlab.plain import plain_config, plain_groups, plain_model
from tests.openmmlab.test_plain_builds import assert_adds_up, assert_same

SYNC = "mmdet::strong_baselines/mask-rcnn_r50_fpn_rpn-2conv_4conv1fc_syncbn-all_lsj-100e_coco.py"


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (SYNC, "torch.distributed"),
        ("mmdet::boxinst/boxinst_r50_fpn_ms-90k_coco.py", "skimage"),
        ("mmdet::ocsort/ocsort_yolox_x_8xb4-amp-80e_crowdhuman-mot20train_test-mot20test.py", "lap"),
        ("mmdet::ocsort/ocsort_yolox_x_8xb4-amp-80e_crowdhuman-mot20train_test-mot20test.py", "motmetrics"),
        ("mmdet::mm_grounding_dino/grounding_dino_swin-t_pretrain_obj365.py", "fairscale"),
        ("mmpretrain::milan/milan_vit-base-p16_16xb256-amp-coslr-400e_in1k.py", "clip_vit_base_16.pth.tar"),
        ("mmpretrain::blip/blip-base_8xb32_vqa.py", "answer_list.json"),
    ],
)
def test_stubs_are_reported_to_a_config_that_uses_them(config: str, name: str) -> None:
    assert name in [stub.name for stub in audit(config).stubs]


def test_a_config_that_asks_for_nothing_gets_nothing() -> None:
    names = [s.name for s in audit("mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py").stubs]
    assert set(names) <= {"mmcv._ext", "torchvision._C"}


def test_groups_with_synchronised_batch_norm_are_those_of_a_real_process_group(tmp_path: Path) -> None:
    """Plain means with gloo, in the order of ``tools/train.py``."""
    path = str(find_config(SYNC))
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        config = plain_config(path)
        model = plain_model(config)
    finally:
        torch.distributed.destroy_process_group()
    group_map = audit(SYNC)
    assert_same(group_map, plain_groups(config, model))
    assert_adds_up(group_map, model)
    assert not torch.distributed.is_initialized()


ASKING = """\
import torch.distributed
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class ScaledByRank(DefaultOptimWrapperConstructor):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.base_lr /= torch.distributed.get_rank() + 2
"""

_OPTIONS = "paramwise_cfg=dict(_delete_=True, custom_keys=dict(head=dict(lr_mult=0.1)))"
SCALED_BY_RANK = f"constructor='ScaledByRank', {_OPTIONS}"


@pytest.mark.parametrize(
    "wrapper",
    [
        "optimizer=dict(type='ZeroRedundancyOptimizer', optimizer_type='AdamW')",
        f"optimizer=dict(type='ZeroRedundancyOptimizer', optimizer_type='SGD', momentum=0.9), {SCALED_BY_RANK}",
        SCALED_BY_RANK,
    ],
    ids=["optimizer", "both", "constructor"],
)
def test_an_optimizer_or_constructor_that_asks_for_a_process_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrapper: str
) -> None:
    """As gloo with one process returns it."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "asking_plugin.py").write_text(ASKING)
    path = tmp_path / "config.py"
    path.write_text(
        f"_base_ = 'base.py'\ncustom_imports = dict(imports='asking_plugin')\noptim_wrapper = dict({wrapper})\n"
    )
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        config = plain_config(str(path))
        model = plain_model(config)
        groups = plain_groups(config, model)
    finally:
        torch.distributed.destroy_process_group()
    with network_refused() as attempts:
        group_map = audit(str(path))
    assert attempts == []
    assert_same(group_map, groups)
    assert [stub.name for stub in group_map.stubs].count("torch.distributed") == 1
    assert not torch.distributed.is_initialized()


def test_process_group_of_one() -> None:
    for _ in range(2):
        with network_refused() as attempts, lone_process_group():
            assert torch.distributed.get_world_size() == 1
            assert torch.distributed.get_rank() == 0
            # A layer that tests for nccl or gloo must see that this is neither.
            assert torch.distributed.group.WORLD.name() == torch.distributed.get_backend() == "lrdecay_alone"
            assert torch.distributed.new_group([0]) is not None
        assert attempts == []
        assert not torch.distributed.is_initialized()


def test_clip_sizes_are_those_of_the_published_model() -> None:
    """Radford et al. 2021: 149.6 M parameters for ViT-B/16 with its text encoder."""
    milan = audit("mmpretrain::milan/milan_vit-base-p16_16xb256-amp-coslr-400e_in1k.py", device="meta")
    everything = [*(p for _, p in milan.grouped()), *milan.frozen, *milan.missing]
    clip = [p.numel for p in everything if p.name.startswith("target_generator.tokenizer.")]
    assert sum(clip) == 149_620_737


def test_each_stub_is_tried_once_and_the_last_error_is_raised() -> None:
    attempts: list[int] = []
    stubs: list[Stub] = []

    def build() -> nn.Module:
        attempts.append(1)
        raise RuntimeError("skimage is not installed" if len(attempts) < 5 else "never seen")

    with pytest.raises(RuntimeError, match="skimage is not installed"):
        build_with_stubs(build, stubs.append)
    assert len(attempts) == 2
    assert [stub.name for stub in stubs] == ["skimage"]


def test_installed_modules_stay_in_use_if_others_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each module of mmdet logs separately that it could not import fairscale."""
    from mmdet.models.layers.transformer import deformable_detr_layers, detr_layers

    monkeypatch.setattr(detr_layers, "checkpoint_wrapper", "the real one")
    monkeypatch.setattr(deformable_detr_layers, "checkpoint_wrapper", None)
    seen = []

    def build() -> nn.Module:
        if deformable_detr_layers.checkpoint_wrapper is None:
            raise ImportError("Please install fairscale")
        seen.extend([detr_layers.checkpoint_wrapper, deformable_detr_layers.checkpoint_wrapper])
        return nn.Identity()

    model = build_with_stubs(build, lambda _told: None)
    real, filled = seen
    assert real == "the real one"
    assert filled(model) is model
    assert deformable_detr_layers.checkpoint_wrapper is None


@pytest.mark.parametrize("start", ["configs/ld", "configs"])
def test_a_teacher_is_found_from_the_repository_root(
    start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    (root / start).mkdir(parents=True)
    (root / "configs" / "teacher.py").write_text("depth = 101\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with constructing("cpu", str(root / start / "student.py")):
        assert Config.fromfile("configs/teacher.py").depth == 101
        with pytest.raises(FileNotFoundError):
            Config.fromfile("configs/nobody.py")
    (elsewhere / "configs").mkdir()
    (elsewhere / "configs" / "teacher.py").write_text("depth = 50\n")
    with constructing("cpu", str(root / start / "student.py")):
        # The working directory comes first, as in training.
        assert Config.fromfile("configs/teacher.py").depth == 50
    with pytest.raises(FileNotFoundError):
        Config.fromfile("teacher.py")
