"""Missing modules in ``custom_imports``: user modules are found, and never reported as packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.audit import audit

NOWHERE = "run lrdecay in the folder that contains own_code, add this folder to PYTHONPATH, or install its project"


@pytest.mark.parametrize(
    ("files", "imported", "message"),
    [
        ([], "own_code.models", f"No module named 'own_code'; {NOWHERE}"),
        (["proj/own_code/notes.txt"], "own_code.models", f"No module named 'own_code'; {NOWHERE}"),
        (["proj/own_code/models.py"], "own_code.models", "'own_code'; set PYTHONPATH=../proj, as for training"),
        (["proj/own_code.py"], "own_code", "'own_code'; set PYTHONPATH=../proj, as for training"),
        (["proj/src/own_code/models.py"], "own_code.models", "; set PYTHONPATH=../proj/src, as for training"),
        (["here/own_code/models.py"], "own_code.model", "'own_code.model'; did you mean own_code.models?"),
        (["here/own_code/models.py"], "own_code.transforms", "'own_code.transforms'; own_code is "),
        ([], "mmseg.models", "No module named 'mmseg'; pip install mmsegmentation, or add the folder"),
        # A missing import of a user module is most likely a package.
        (["here/own_code.py"], "own_code", "No module named 'no_such_package'; pip install no_such_package, or add"),
    ],
)
def test_fixes_for_missing_modules(
    files: list[str], imported: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("proj/configs/config.py", "here/x", *files):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("import no_such_package\n" if name == "here/own_code.py" else "")
    (tmp_path / "proj/configs/config.py").write_text(f"custom_imports = dict(imports=[{imported!r}])\n")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(LrdecayError) as refused:
        audit("../proj/configs/config.py")
    for name in [name for name in sys.modules if name.partition(".")[0] == "own_code"]:
        del sys.modules[name]
    assert message in refused.value.line()
    assert f"custom_imports ['{imported}']: " in refused.value.line()


READER = """
from mmengine.registry import MODELS
from mmengine.model import BaseModel


@MODELS.register_module(force=True)
class Reader(BaseModel):
    def __init__(self, features):
        super().__init__()
        {read}

    def forward(self, inputs):
        return inputs
"""


@pytest.mark.parametrize(
    "read",
    [
        "open(features['path'])",
        # mmaction2 1.2.0, LFB
        "raise ValueError(f'lfb prefix path {features[\"path\"]} does not exist!')",
    ],
)
def test_data_that_a_model_reads_is_needed(read: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not broken upstream, wherever the config comes from."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    name = f"reader_{abs(hash(read))}"
    Path(f"{name}.py").write_text(READER.format(read=read))
    Path("config.py").write_text(
        f"custom_imports = dict(imports=['{name}'])\n"
        "model = dict(type='Reader', features=dict(path='data/features.lmdb'))\n"
        "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))\n"
    )
    with pytest.raises(LrdecayError) as refused:
        audit("config.py")
    assert refused.value.status == "needs data/features.lmdb"
    assert "model.features.path='data/features.lmdb' does not exist" in refused.value.line()
