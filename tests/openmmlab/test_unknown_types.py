"""Names of constructors that are looked for in the wrong package, or misspelt."""

from __future__ import annotations

import pytest

from lrdecay_cli.openmmlab.failures.unknown_types import suggest_constructor, unknown_type

MMDET, MMPRETRAIN = "LearningRateDecayOptimizerConstructor", "LearningRateDecayOptimWrapperConstructor"


@pytest.mark.parametrize(
    ("name", "scope", "meant"),
    [
        (MMDET, "mmengine", f"it is mmdet's: write mmdet.{MMDET}"),
        (MMDET, "mmpose", f"it is mmdet's: write mmdet.{MMDET}"),
        (
            MMPRETRAIN,
            "mmdet",
            f"it is mmpretrain's: did you mean {MMDET}, which is mmdet's, or mmpretrain.{MMPRETRAIN}?",
        ),
        (f"mmdet.{MMPRETRAIN}", "mmengine", f"it is mmpretrain's: write mmpretrain.{MMPRETRAIN}"),
        ("LearningRateDecayOptimzerConstructor", "mmpretrain", f"did you mean {MMPRETRAIN}?"),
        ("LearningRateDecayOptimzerConstructor", "mmengine", f"did you mean mmdet.{MMDET}?"),
        ("DefaultOptimWraperConstructor", "mmdet", "did you mean DefaultOptimWrapperConstructor?"),
        ("Layerwise", "mmdet", ""),
    ],
)
def test_meant(name: str, scope: str, meant: str) -> None:
    assert suggest_constructor(name, scope, {"DefaultOptimWrapperConstructor": "mmengine"}) == meant


def test_a_package_that_is_not_installed_is_not_advised() -> None:
    assert suggest_constructor("Own", "mmdet", {"Own": "no_such_package"}) == (
        f"it is no_such_package's, which is not installed: did you mean {MMDET}, which is mmdet's?"
    )


@pytest.mark.parametrize(
    ("name", "distribution"), [("mmyolo.YOLODetector", "mmyolo"), ("mmseg.EncoderDecoder", "mmsegmentation")]
)
def test_a_type_of_a_package_that_is_not_installed(name: str, distribution: str) -> None:
    """Nothing is broken upstream where a config asks for a package that is not there."""
    error = unknown_type(name, "mmdet", "model", where="config.py", config=None)
    assert (error.status, error.remedy) == (f"needs {distribution}", f"pip install {distribution}")
    assert "which is not installed" in error.problem
