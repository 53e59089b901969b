"""A build makes no network requests; attempts are refused and counted."""

from __future__ import annotations

import http.client
import socket
import urllib.request
from pathlib import Path
from socket import getaddrinfo

import mmengine
import pytest
import torch

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.build_context import constructing
from lrdecay_cli.openmmlab.patching import NotHereError
from tests.openmmlab.network import network_refused

CONFIG = """
import sys
sys.path.insert(0, {folder!r})
custom_imports = dict(imports=["model_that_{what}"])
model = dict(type="mmengine.ModelThat", what={what!r})
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1))
del sys
"""
PLUGIN = """
from mmengine.registry import MODELS
from torch import nn

@MODELS.register_module(force=True)
class ModelThat(nn.Linear):
    def __init__(self, what):
        super().__init__(2, 2)
        {code}
"""
# code in a model's __init__: counted attempts, and the text of the error
ASKS = {
    "connects": ("import socket; socket.socket().connect(('127.0.0.1', 9))", "socket.connect"),
    "resolves": ("import urllib.request; urllib.request.urlopen('http://example.org')", "socket.getaddrinfo"),
    "requests": ("import requests; requests.get('http://example.org')", "socket.getaddrinfo"),
}


@pytest.mark.parametrize("what", ASKS)
def test_a_model_that_asks_is_refused_and_counted(what: str, tmp_path: Path) -> None:
    code, event = ASKS[what]
    (tmp_path / f"model_that_{what}.py").write_text(PLUGIN.format(code=code))
    (tmp_path / "config.py").write_text(CONFIG.format(folder=str(tmp_path), what=what))
    with network_refused() as attempts, pytest.raises(LrdecayError):
        audit(str(tmp_path / "config.py"))
    assert event in {attempt[0] for attempt in attempts}
    # Without a listener, the request is refused as well.
    with pytest.raises(LrdecayError, match="downloads nothing") as raised:
        audit(str(tmp_path / "config.py"))
    assert raised.value.status == "needs network access"


def test_the_counter_counts_functions_imported_by_name() -> None:
    with network_refused() as attempts:
        for ask in (
            lambda: getaddrinfo("example.org", 80),
            lambda: socket.gethostbyname("example.org"),
            lambda: http.client.HTTPConnection("127.0.0.1", 9, timeout=1).connect(),
            lambda: urllib.request.urlopen("http://127.0.0.1:9", timeout=1),
            lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", 9)),
        ):
            with pytest.raises(OSError, match=r"socket\.(connect|get|sendto)"):
                ask()
    assert len(attempts) == 5


def test_needs_of_a_torch_hub_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model from the cache is used, without its weights; any other is refused before a network request."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    folder = tmp_path / "owner_name_main"
    folder.mkdir()
    (folder / "hubconf.py").write_text(
        "from torch import nn\nfrom torch.hub import load_state_dict_from_url as load\n\n\n"
        "def net(pretrained=False):\n    net = nn.Linear(3, 4)\n    if pretrained:\n"
        "        net.load_state_dict(load('https://example.org/net.pth'))\n    return net\n"
    )
    with network_refused() as attempts, constructing("cpu"):
        assert torch.hub.load("owner/name", "net", pretrained=True).weight.shape == (4, 3)
        assert torch.hub.load(str(folder), "net", source="local").weight.shape == (4, 3)
        with pytest.raises(NotHereError, match=r"owner/other.*downloads nothing"):
            torch.hub.load("owner/other:v1", "net")
    assert attempts == []
    assert not (tmp_path / "checkpoints").exists()


def test_remote_files_are_refused_without_asking() -> None:
    with network_refused() as attempts, constructing("cpu") as stubs:
        assert mmengine.load("https://example.org/answer_list.json") == []
        assert mmengine.fileio.get("https://example.org/answer_list.json") == b"[]"
        with pytest.raises(NotHereError, match=r"reads https://example\.org/sizes\.json") as raised:
            mmengine.load("https://example.org/sizes.json")
    assert attempts == []
    assert raised.value.needs == "sizes.json"
    assert [stub.name for stub in stubs] == ["answer_list.json"] * 2


def test_the_socket_module_comes_back() -> None:
    with constructing("cpu"), pytest.raises(NotHereError, match="downloads nothing"):
        getaddrinfo("localhost", 9)
    assert getaddrinfo("127.0.0.1", 9)
    assert "connect" not in vars(socket.socket)
