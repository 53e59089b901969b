"""Stubs refuse to compute, and exist only if the real module does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from lrdecay_cli.openmmlab.stubs import missing_modules
from lrdecay_cli.openmmlab.stubs.missing_modules import install_stubs
from tests.commands.running import SAMPLES

SCRIPT = """
import sys
sys.path.insert(0, {root!r})
sys.path.insert(0, {fake!r})
from lrdecay_cli.openmmlab.stubs.missing_modules import install_stubs
print([stub.name for stub in install_stubs()])
"""


def test_operators_that_are_missing_refuse_to_run() -> None:
    names = [stub.name for stub in install_stubs()]
    # This machine has mmcv-lite and a CPU build of torch.
    assert names == ["mmcv._ext", "torchvision._C"]
    import torch
    import torchvision
    from mmcv.ops import roi_align
    from mmengine.utils.dl_utils import mmcv_full_available

    assert mmcv_full_available()
    image, boxes = torch.zeros(1, 1, 4, 4), torch.zeros(1, 5)
    with pytest.raises(RuntimeError, match=r"mmcv\._ext\.roi_align_forward is a stub that cannot compute"):
        roi_align(image, boxes, (1, 1))
    with pytest.raises(RuntimeError, match="custom C"):
        torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)


def test_installing_again_changes_nothing() -> None:
    extension = sys.modules["mmcv._ext"]
    assert install_stubs() == install_stubs()
    assert sys.modules["mmcv._ext"] is extension


def test_imported_modules_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stub would come too late: other modules already use the existing module."""
    install_stubs()
    import torchvision  # noqa: F401

    extension = sys.modules["mmcv._ext"]
    monkeypatch.setattr(missing_modules, "_installed", [])
    assert install_stubs() == ()
    assert sys.modules["mmcv._ext"] is extension


# Names of torchvision 0.28 and 0.29.
@pytest.mark.parametrize("library", ["_C.so", "_C_stable.so"])
def test_operators_of_torchvision_that_load_are_used(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch accepts any library that loads; torchvision then checks which operators exist."""
    install_stubs()
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").touch()
    (tmp_path / "torchvision" / library).symlink_to(str(msgspec._core.__file__))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr(missing_modules, "_installed", [])
    monkeypatch.setattr(missing_modules, "_define_torchvision_schemas", lambda: pytest.fail("they are stubbed"))
    assert install_stubs() == ()


def test_real_operators_are_left_alone(tmp_path: Path) -> None:
    """A ``mmcv._ext`` that looks compiled is found and not replaced."""
    (tmp_path / "mmcv").mkdir()
    (tmp_path / "mmcv" / "__init__.py").touch()
    (tmp_path / "mmcv" / "_ext.py").write_text("REAL = True\n")
    (tmp_path / "torchvision.py").touch()
    script = SCRIPT.format(root=str(SAMPLES.parent), fake=str(tmp_path)) + "import mmcv._ext; print(mmcv._ext.REAL)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True"]
