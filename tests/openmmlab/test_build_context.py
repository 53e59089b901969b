"""Builds without random numbers, weights or network have the same result in less time."""

from __future__ import annotations

import logging
import socket
import sys
from io import StringIO
from pathlib import Path

import msgspec
import pytest
import torch
from mmengine.logging import MMLogger, print_log
from mmengine.runner.checkpoint import _load_checkpoint
from torch import nn

from lrdecay_cli.files import to_json
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.build_context import constructing, quiet_stack, without_prints

SAMPLES = sorted(str(path) for path in Path(__file__, "../../../sample_configs").resolve().glob("*.py"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: Path(path).stem)
def test_meta_and_cpu_give_the_same_json(path: str) -> None:
    on_cpu, on_meta = audit(path), audit(path, device="meta")
    assert (on_cpu.device, on_meta.device) == ("cpu", "meta")
    assert to_json(msgspec.structs.replace(on_meta, device="cpu")) == to_json(on_cpu)


def test_json_is_the_same_from_run_to_run() -> None:
    assert to_json(audit(SAMPLES[0])) == to_json(audit(SAMPLES[0]))


class Tied(nn.Module):
    """Ties a weight, freezes a tensor through the registered variable, and sets an attribute on a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)
        self.two.weight = self.one.weight
        token = nn.Parameter(torch.zeros(1, 3))
        token.no_decay = True
        self.token = self.again = token
        token.requires_grad = False


def test_meta_keeps_ties_flags_and_attributes() -> None:
    with constructing("meta"):
        model = Tied()
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.two.weight is model.one.weight
    assert model.again is model.token
    assert not model.token.requires_grad
    assert model.token.no_decay


def test_initialisation_is_skipped_and_comes_back() -> None:
    weight = torch.full((4, 4), 7.0)
    with constructing("cpu"):
        late_import = nn.init.zeros_
        assert nn.init.normal_(weight) is weight
        assert nn.init.constant_(tensor=weight, val=1.0) is weight
        assert (weight == 7.0).all()
    late_import(weight)
    assert (weight == 0.0).all()
    nn.init.ones_(weight)
    assert (weight == 1.0).all()


def test_no_connection_is_made_and_no_weights_are_read(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(b"not a checkpoint")
    layer = nn.Linear(2, 2)
    before = layer.weight.clone()
    with constructing("cpu"):
        with socket.socket() as connection, pytest.raises(ConnectionRefusedError, match="downloads nothing"):
            connection.connect(("127.0.0.1", 9))
        assert torch.load(file) == {}
        assert torch.hub.load_state_dict_from_url("file:///nowhere.pth") == {}
        with pytest.raises(RuntimeError, match=r"some/repository.*downloads nothing"):
            torch.hub.load("some/repository", "model")
        layer.load_state_dict({"weight": torch.ones(2, 2)})
    assert torch.equal(layer.weight, before)
    layer.load_state_dict({"weight": torch.ones(2, 2), "bias": torch.ones(2)})
    assert (layer.weight == 1).all()
    assert "connect" not in vars(socket.socket)


@pytest.fixture
def handler() -> logging.StreamHandler:
    return next(
        handler for handler in MMLogger.get_current_instance().handlers if isinstance(handler, logging.StreamHandler)
    )


def test_a_closed_stream_of_the_stack_is_no_error(
    handler: logging.StreamHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under pytest, mmengine's logger keeps the captured stream of the first test that used it."""
    closed = StringIO()
    closed.close()
    monkeypatch.setattr(handler, "stream", closed)
    with quiet_stack(verbose=True):
        assert handler.stream is sys.stderr
    assert handler.stream is closed


@pytest.mark.parametrize("verbose", [False, True])
def test_prints_and_logs(
    verbose: bool, handler: logging.StreamHandler, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests need a silent logger.
    monkeypatch.setattr(handler, "level", logging.NOTSET)
    with quiet_stack(verbose):
        sys.stdout.write("printed\n")
        MMLogger.get_current_instance().info("logged")
        with without_prints():
            # mmseg's constructor names no logger, so mmengine prints.
            print_log("printed by a constructor")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "printed\n" in captured.err
    assert ("logged" in captured.err) == verbose
    assert ("printed by a constructor" in captured.err) == verbose


def test_a_weight_read_by_its_name_has_no_shape_to_match(tmp_path: Path) -> None:
    """mmaction2's ResNet compares the shape of each weight, and mmengine's own loader finds none."""
    with constructing("cpu"):
        state = _load_checkpoint(str(tmp_path / "none.pth"))["state_dict"]
        conv = nn.Conv2d(3, 4, 1)
        before = conv.weight.shape
        conv.weight.data.copy_(state["conv1.weight"])
    assert (state["conv1.weight"].shape, dict(state), "conv1.weight" in state) == ((), {}, False)
    assert conv.weight.shape == before
