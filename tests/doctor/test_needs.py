"""Which configs need what, held against the configs and the sources of the installed zoos."""

from __future__ import annotations

import importlib.util
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from lrdecay_cli.doctor.known import OPTIONALS

# (package, zoo): (the configs' text where they ask for it, a source file that asks for it, that file's text)
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


@cache
def texts(zoo: str) -> dict[str, str]:
    """All config text by folder of the zoo."""
    found: dict[str, str] = defaultdict(str)
    for file in sorted((root(zoo) / ".mim" / "configs").glob("*/**/*.py")):
        found[file.relative_to(root(zoo) / ".mim" / "configs").parts[0]] += file.read_text(encoding="utf-8")
    return found


@pytest.mark.parametrize("one", OPTIONALS, ids=lambda one: f"{one.package} for {one.zoo}")
def test_the_folders_are_those_whose_configs_ask_for_it(one) -> None:  # type: ignore[no-untyped-def]
    in_configs, file, in_source = EVIDENCE[one.package, one.zoo]
    asking = [folder for folder, text in texts(one.zoo).items() if re.search(in_configs, text)]
    assert [*one.folders] == [folder for folder in asking if folder != "_base_"]
    if file:
        assert in_source in (root(one.zoo) / file).read_text(encoding="utf-8")
