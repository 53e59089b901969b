"""Train the examples of docs/examples for real, and check the findings for faulty variants."""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest

import lrdecay_cli
from lrdecay_cli.processes.children import in_children
from tests.commands.running import SAMPLES

EXAMPLES = SAMPLES.parent / "docs" / "examples"
NEEDS = {"timm_finetuning": "timm", "lightning_module": "lightning", "hf_trainer": "accelerate"}


def printed_by(name: str, old: str = "", new: str = "") -> str:
    """Return the output and the error of an example, from a fork: a framework may change its process."""
    pytest.importorskip(NEEDS[name])
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    assert old in text
    code = compile(text.replace(old, new) if old else text, name, "exec")

    def work(_: str) -> bytes:
        out = StringIO()
        # Lightning and transformers keep the stderr of their import.
        with redirect_stdout(out), redirect_stderr(out):
            try:
                exec(code, {"__name__": "__main__"})
            except lrdecay_cli.CheckFailed as error:
                out.write(f"FAILED {error}")
            except BaseException as error:
                out.write(f"BROKEN {error!r}")
        return out.getvalue().encode()

    sys.stdout.flush()
    (child,) = in_children([name], work, jobs=1)
    assert not child.lost, child.reason
    return child.answer.decode()


def test_every_example_is_tried() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*NEEDS}


@pytest.mark.parametrize(
    ("name", "summary"),
    [
        ("timm_finetuning", "12 groups with 56 of 56 tensors"),
        ("lightning_module", "8 groups with 14 of 14 tensors"),
        ("hf_trainer", "9 groups with 57 of 57 tensors"),
    ],
)
def test_an_example_trains_and_its_groups_are_sound(name: str, summary: str) -> None:
    printed = printed_by(name)
    assert "FAILED" not in printed
    assert "BROKEN" not in printed, printed
    assert summary in printed
    # The head trains at the base lr.
    assert re.search(r"^\S+ .* 1 +0\.001 ", printed, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "old", "new", "code"),
    [
        # timm's lr_scale with a scheduler that ignores it.
        (
            "timm_finetuning",
            "CosineLRScheduler(optimizer, t_initial=4, warmup_t=1, warmup_lr_init=1e-6)",
            "torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4)",
            "LRD305 lr-scale-without-lr: 10 groups have lr_scale 0.168 to 0.7, but their lr is the base lr 0.001:"
            " CosineAnnealingLR does not read lr_scale",
        ),
        # Only the head is passed to the optimizer.
        ("lightning_module", "[*self.blocks, self.head]", "[self.head]", "LRD101 parameter-in-no-group: 12 trainable"),
        # A condition skips the pooler.
        ("hf_trainer", "    decayed =", "    if '.pooler.' in name: continue\n    decayed =", "LRD101 parameter-in-no"),
    ],
)
def test_a_wrong_one_is_found(name: str, old: str, new: str, code: str) -> None:
    printed = printed_by(name, old, new)
    assert f"FAILED fails: 1 error in 1 config\n\n{'vit_tiny' if 'timm' in name else ''}" in printed, printed
    assert f"error: {code}" in printed
