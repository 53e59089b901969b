"""Packages that configs need, compared with the configs and the sources of the installed zoos."""

from __future__ import annotations

import importlib.util
import re
from collections import defaultdict
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

from lrdecay_cli.doctor.diagnosing import diagnose
from lrdecay_cli.doctor.known import OPTIONALS
from lrdecay_cli.doctor.versions import satisfies
from tests.doctor.environments import GOOD, environment

# (package, zoo): (text of configs that need it, a source file that imports it, that file's text)
EVIDENCE = {
    ("mmpretrain", "mmdet"): (r"mmpretrain\.|mmcls\.", "models/reid/base_reid.py", "import mmpretrain"),
    ("transformers", "mmdet"): (
        r"'BertModel'|'ATSSVLFusionHead'|'GroundingDINO'",
        "models/language_models/bert.py",
        "from transformers import",
    ),
    ("transformers", "mmpretrain"): (
        r"'(Blip\w+|Flamingo|OFA|ChineseCLIP|MiniGPT4|Llava|Otter|CLIPZeroShot)'",
        "models/multimodal/__init__.py",
        "WITH_MULTIMODAL",
    ),
    ("timm", "mmdet"): (r"TIMMBackbone", "", ""),
    ("detectron2", "mmdet"): (r"'Detectron2Wrapper'", "models/detectors/d2_wrapper.py", "import detectron2"),
}


def root(library: str) -> Path:
    spec = importlib.util.find_spec(library)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def here(optional) -> bool:  # type: ignore[no-untyped-def]
    return satisfies(metadata.version(optional.zoo), optional.versions)


@cache
def texts(zoo: str) -> dict[str, str]:
    """Return all config text by folder of the zoo."""
    found: dict[str, str] = defaultdict(str)
    for file in sorted((root(zoo) / ".mim" / "configs").glob("*/**/*.py")):
        found[file.relative_to(root(zoo) / ".mim" / "configs").parts[0]] += file.read_text(encoding="utf-8")
    return found


# tests/compatibility covers versions that are not installed here.
@pytest.mark.parametrize(
    "optional",
    [optional for optional in OPTIONALS if here(optional)],
    ids=lambda each: f"{each.package} for {each.zoo}",
)
def test_the_folders_are_those_whose_configs_ask_for_it(optional) -> None:  # type: ignore[no-untyped-def]
    in_configs, file, in_source = EVIDENCE[optional.package, optional.zoo]
    asking = [folder for folder, text in texts(optional.zoo).items() if re.search(in_configs, text)]
    assert [*optional.folders] == [folder for folder in asking if folder != "_base_"]
    if file:
        assert in_source in (root(optional.zoo) / file).read_text(encoding="utf-8")


def test_the_zoo_of_mmdet_3_0_has_another_need(tmp_path: Path) -> None:
    asked = {}
    for version in ("3.0.0", "3.1.0", "3.3.0"):
        path = environment(tmp_path / version, {**GOOD, "mmdet": version})
        (tmp_path / version / "mmpretrain" / "__init__.py").unlink()
        asked[version] = {need.package for need in diagnose(path).needs}
    assert {"mmcls"} == asked["3.0.0"] - asked["3.1.0"]
    assert {"mmpretrain"} == asked["3.1.0"] - asked["3.0.0"]
    assert asked["3.1.0"] == asked["3.3.0"]
