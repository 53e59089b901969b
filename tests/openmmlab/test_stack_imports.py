"""An interrupt during the import of torch waits for it, and is not lost."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys
from importlib.abc import MetaPathFinder
signal.signal(signal.SIGINT, signal.default_int_handler)
from lrdecay_cli.openmmlab.lazy_imports.stack_imports import import_torch

class Interrupting(MetaPathFinder):
    left = {count}
    def find_spec(self, name, path=None, target=None):
        if name == "torch._C" and self.left:
            for _ in range(self.left):
                os.kill(os.getpid(), signal.SIGINT)
            Interrupting.left = 0

sys.meta_path.insert(0, Interrupting())
try:
    import_torch()
except KeyboardInterrupt:
    print("interrupted,", "with" if hasattr(sys.modules.get("torch"), "Tensor") else "without", "torch")
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, flush=True)
os._exit(0)
"""


@pytest.mark.parametrize(("count", "message"), [(1, "interrupted, with torch"), (2, "interrupted, without torch")])
def test_it_waits_once(count: int, message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("{count}", str(count))], capture_output=True, text=True, timeout=120,
        check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.stdout.splitlines() == [message, "True"], done.stderr
