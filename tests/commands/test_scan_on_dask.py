"""``scan --dask`` on a real cluster: a worker that dies during its work, and a cluster that was started elsewhere."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.commands.projects import PLUG
from tests.commands.running import lrdecay
from tests.commands.test_scan import CONFIGS
from tests.commands.test_scan_resume import PLUGGED

WAITING = """
import time
from pathlib import Path
Path("waiting").touch()
while not Path("go").exists():
    time.sleep(0.02)
"""
NAMES = ("plugged.py", "misspelt.py", "ends_it_all.py", "base_only.py", "waits.py")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Configs with every status; one builds only next to ``my_plug`` and ``lr.txt``, one waits for a file ``go``."""
    folder = tmp_path / "here"
    folder.mkdir()
    for name in NAMES[1:-1]:
        (folder / name).write_text(CONFIGS[name])
    (folder / "plugged.py").write_text(PLUGGED)
    (folder / "my_plug.py").write_text(PLUG.format(name="mine", width=3))
    (folder / "lr.txt").write_text("0.1")
    (folder / "waits.py").write_text(PLUGGED.replace('"my_plug"', '"waiting_plug", "my_plug"'))
    (folder / "waiting_plug.py").write_text(WAITING)
    return folder


@pytest.mark.slow
def test_a_cluster_gives_the_same_result_if_a_worker_dies(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client, LocalCluster

    scan = ("scan", *NAMES, "--device", "meta", "--format", "json")
    (project / "go").touch()
    alone = lrdecay(*scan, cwd=project)
    assert [record["status"] for record in json.loads(alone.out)["records"]] == [
        *("no-model", "crashed", "error", "ok", "ok"),
    ]
    for name in ("go", "waiting"):
        (project / name).unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    # This name would hide an installed package if the worker's directory came first on the path.
    Path("msgspec.py").write_text("raise RuntimeError('the wrong msgspec')")
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client, ThreadPoolExecutor(1) as thread:
        (worker,) = client.run(os.getpid).values()
        on_cluster = thread.submit(lrdecay, *scan, "--dask", cluster.scheduler_address, cwd=project)
        while not (project / "waiting").exists():
            assert not on_cluster.done(), on_cluster.result()
            time.sleep(0.02)
        os.kill(worker, signal.SIGKILL)
        (project / "go").touch()
        assert on_cluster.result() == alone
