"""Constructor names that are searched for in the wrong package, or misspelt."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.failures.unknown_types import suggest_constructor, unknown_type

MMDET, MMPRETRAIN = "LearningRateDecayOptimizerConstructor", "LearningRateDecayOptimWrapperConstructor"


@pytest.mark.parametrize(
    ("name", "scope", "expected"),
    [
        (MMDET, "mmengine", f"the constructor belongs to mmdet: write mmdet.{MMDET}"),
        (MMDET, "mmpose", f"the constructor belongs to mmdet: write mmdet.{MMDET}"),
        (
            MMPRETRAIN,
            "mmdet",
            f"the constructor belongs to mmpretrain: did you mean mmdet's {MMDET}, or mmpretrain.{MMPRETRAIN}?",
        ),
        (f"mmdet.{MMPRETRAIN}", "mmengine", f"the constructor belongs to mmpretrain: write mmpretrain.{MMPRETRAIN}"),
        ("LearningRateDecayOptimzerConstructor", "mmpretrain", f"did you mean {MMPRETRAIN}?"),
        ("LearningRateDecayOptimzerConstructor", "mmengine", f"did you mean mmdet.{MMDET}?"),
        ("DefaultOptimWraperConstructor", "mmdet", "did you mean DefaultOptimWrapperConstructor?"),
        ("Layerwise", "mmdet", ""),
        # A different class, not a misspelt one.
        ("CustomLayerDecayOptimizerConstructor", "mmdet", ""),
        ("ViTLearningRateDecayOptimizerConstructor", "mmdet", ""),
        ("LayerDecayOptimizerConstructorBackboneFixed", "mmseg", ""),
    ],
)
def test_suggested_names(name: str, scope: str, expected: str) -> None:
    assert suggest_constructor(name, scope, {"DefaultOptimWrapperConstructor": "mmengine"}) == expected


@pytest.mark.parametrize(
    ("name", "distribution"),
    [("SwinOptimWrapperConstructor", "mmaction2"), ("mmyolo.YOLOv7OptimWrapperConstructor", "mmyolo")],
)
def test_a_constructor_of_a_package_that_is_not_installed(name: str, distribution: str) -> None:
    if importlib.util.find_spec("mmaction") or importlib.util.find_spec("mmyolo"):
        pytest.skip("they are installed here")
    assert suggest_constructor(name, "mmengine", {}).endswith(f"which is not installed: pip install {distribution}")


def test_a_package_that_is_not_installed_is_not_advised() -> None:
    assert suggest_constructor("Own", "mmdet", {"Own": "no_such_package"}) == (
        f"the constructor belongs to no_such_package, which is not installed: did you mean mmdet's {MMDET}?"
    )


@pytest.mark.parametrize(
    ("name", "distribution"), [("mmyolo.YOLODetector", "mmyolo"), ("mmseg.EncoderDecoder", "mmsegmentation")]
)
def test_a_type_of_a_package_that_is_not_installed(name: str, distribution: str) -> None:
    """A config that needs a missing package is not broken upstream."""
    error = unknown_type(name, "mmdet", "model", where="config.py", config=None)
    assert (error.status, error.fix) == (f"needs {distribution}", f"pip install {distribution}")
    assert "which is not installed" in error.problem


CONSTRUCTOR = """
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS

@OPTIM_WRAPPER_CONSTRUCTORS.register_module({})
class {}:
    pass
"""
NOWHERE = "no installed package registers {}{}: import its module with custom_imports=dict(imports=[...])"


@pytest.mark.parametrize(
    ("name", "file", "text", "config", "fix"),
    [
        pytest.param(
            "OwnConstructor",
            "mmcv_custom/decay.py",
            ("", "OwnConstructor"),
            None,
            "mmcv_custom/decay.py registers OwnConstructor: set custom_imports=dict(imports=['mmcv_custom.decay'])",
            id="by its class",
        ),
        pytest.param(
            "OwnConstructor",
            "src/own/__init__.py",
            ("name='OwnConstructor'", "Other"),
            {"custom_imports": {"imports": ["own.models"]}},
            "src/own/__init__.py registers OwnConstructor: add 'own' to custom_imports.imports, with src on PYTHONPATH",
            id="by its name in the registry, beside other imports",
        ),
        pytest.param(
            "OwnConstructor",
            "own.py",
            ("", "OwnConstructor2"),
            None,
            NOWHERE.format("OwnConstructor", ""),
            id="by nothing",
        ),
        pytest.param(
            "CustomLayerDecayOptimizerConstructor",
            "own.py",
            ("", "Other"),
            None,
            NOWHERE.format(
                "CustomLayerDecayOptimizerConstructor", " (InternImage defines a constructor with this name)"
            ),
            id="of a published project",
        ),
    ],
)
def test_the_module_that_registers_a_constructor(
    name: str,
    file: str,
    text: tuple[str, str],
    config: dict[str, object] | None,
    fix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path) if not file.startswith("src") else str(tmp_path / "elsewhere"))
    (tmp_path / ".git").mkdir()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/config.py").write_text("")
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(CONSTRUCTOR.format(*text))
    registry = "optimizer wrapper constructor"
    assert unknown_type(name, "mmdet", registry, where="configs/config.py", config=config).fix == fix


@pytest.mark.parametrize(
    ("config", "of"),
    [
        # mmyolo 0.6.0, rtmdet/distillation
        ("model = dict(_scope_='mmrazor', type='FpnTeacherDistill')", "model.type belongs to mmrazor"),
        (
            "model = dict(_scope_='mmrazor', type='mmpretrain.ImageClassifier', backbone=dict(type='Searchable'))",
            "model.backbone.type belongs to mmrazor",
        ),
        ("default_scope = 'mmrazor'\nmodel = dict(type='FpnTeacherDistill')", "model.type belongs to mmrazor"),
        ("default_scope = 'mmrazor'\nmodel = dict(_scope_='mmpretrain', type='Nothing')", ""),
    ],
)
def test_the_scope_that_a_type_is_looked_up_in(config: str, of: str, tmp_path: Path) -> None:
    path = tmp_path / "config.py"
    path.write_text(f"{config}\noptim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))\n")
    with pytest.raises(LrdecayError) as raised:
        audit(str(path))
    assert of in raised.value.problem
    assert raised.value.status == ("needs mmrazor" if of else "error")
