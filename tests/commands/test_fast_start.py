"""A cold command uses shortcuts and an exact one does not; both have the same output."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.files import to_json
from lrdecay_cli.openmmlab.lazy_imports.stack_imports import defers_imports
from tests.commands.running import ROOT, SAMPLES, Result, lrdecay
from tests.commands.test_errors import CONFIGS as BROKEN
from tests.group_maps import group_map

LAYER_WISE = str(SAMPLES / "convnext-t_layer-wise.py")
HEAVY = (
    *("matplotlib.pyplot", "scipy.optimize", "scipy.sparse.csgraph", "torchvision", "torch._dynamo", "transformers"),
    *("torch.distributed.fsdp", "torch.distributed.tensor", "torch._meta_registrations", "sympy"),
    *("torch.distributed.optim.functional_adam", "mmpretrain.models.multimodal.blip", "mmengine._strategy.fsdp"),
)
INSTALLED = [name for name in HEAVY if find_spec(name.partition(".")[0])]

# Runs the console entry and reports on stderr the state of the process at its end. It holds stderr back for as long as
# the command takes, on however busy a machine.
WATCHED = """
import atexit, gc, json, os, sys
from lrdecay_cli.app.shell import main
from lrdecay_cli.processes import streams

def deferred(module):
    return type(module).__name__ == "LazyModule"

def report(end):
    state = {"end": end, "collects": gc.isenabled(), "deferred": any(map(deferred, sys.modules.values())),
             "executed": [name for name in SLOW if name in sys.modules and not deferred(sys.modules[name])]}
    print(json.dumps(state), file=sys.stderr, flush=True)

streams.PATIENCE = 3600.0
leave = os._exit
os._exit = lambda code: (report("at once"), leave(code))
atexit.register(report, "torn down")
main.main()
"""


def watched(*arguments: str, cwd: Path = SAMPLES.parent) -> tuple[Result, dict[str, object]]:
    """Return the result of a cold command, and the state of its process at the end."""
    done = subprocess.run(
        [sys.executable, "-c", f"SLOW = {INSTALLED!r}\n{WATCHED}", *arguments],
        cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    *errors, state = done.stderr.splitlines(keepends=True)
    return Result(done.returncode, done.stdout, "".join(errors)), json.loads(state)


def test_a_cold_inspect_takes_every_shortcut() -> None:
    _, state = watched("inspect", LAYER_WISE)
    assert state == {"end": "at once", "collects": False, "deferred": True, "executed": []}


def test_exact_takes_none(tmp_path: Path) -> None:
    """Not even with a config that is refused before a model is built; a retry below executes every import."""
    (tmp_path / "config.py").write_text("lr = 1\n")
    result, state = watched("inspect", "config.py", "--exact", cwd=tmp_path)
    assert (result.code, state["end"], state["collects"], state["deferred"]) == (2, "torn down", True, False)


def test_the_meta_device_has_its_kernels() -> None:
    _, state = watched("inspect", LAYER_WISE, "--device", "meta")
    assert state["executed"] == ["torch._meta_registrations"]


def test_a_command_imports_itself_alone() -> None:
    script = (
        "import sys\nfrom lrdecay_cli.app.shell.main import run\nrun(['schema'])\n"
        "print(*(name for name in sys.modules if '.app.commands.' in name), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=SAMPLES.parent, capture_output=True, text=True, check=True
    )
    assert done.stderr.split() == ["lrdecay_cli.app.commands.schema"]


PLUG = """
print("plug is loaded")
from mmpretrain.registry import MODELS
from torch import nn
{imports}

@MODELS.register_module()
class Plug(nn.Module):
    def __init__(self):
        super().__init__()
        {body}
"""
CONFIG = """
default_scope = "mmpretrain"
custom_imports = dict(imports=["{plug}"])
model = dict(type="Plug")
optim_wrapper = dict(optimizer=dict({optimizer}))
"""
ADAMW = "type='AdamW', lr=1e-3"
ZERO = "type='ZeroRedundancyOptimizer', optimizer_type='AdamW', lr=1e-3"
LONE_GROUP = (
    "import torch.distributed as dist\ndist.init_process_group('gloo', store=dist.HashStore(), rank=0, world_size=1)"
)

# name: (imports, body, optimizer, whether the command retries)
PLUGS = {
    "uses deferred imports": (
        "import matplotlib.pyplot as plt\nfrom matplotlib.patches import Rectangle\n"
        "from scipy.optimize import linear_sum_assignment, minimize\nfrom torchvision.ops import MLP\n"
        "class Wider(MLP): ...",
        "rows, columns = linear_sum_assignment([[4, 1, 3], [2, 0, 5], [3, 2, 2]])\n"
        "        width = int(columns.sum()) + len(plt.figure().axes) + int(Rectangle((0, 0), 1, 2).get_height())\n"
        "        assert isinstance(Rectangle((0, 0), 1, 1), Rectangle)\n"
        "        self.mlp = Wider(round(minimize(lambda x: (x - 3) ** 2, 0).x[0]), [width])",
        ADAMW,
        False,
    ),
    "uses parts of torch that are deferred": (
        "import copy, cv2, io, pickle, torch, torch.distributions\nfrom mmcv import imresize\n"
        "from torch._subclasses import FakeTensor, FakeTensorMode\nfrom torch.fx import symbolic_trace\n"
        "from torch.utils import _pytree\nfrom torch.utils.checkpoint import checkpoint\n"
        "@torch.jit.script\ndef double(x):\n    return 2 * x",
        "assert torch.distributions.Normal(0.0, 1.0).sample().shape == ()\n"
        "        assert imresize(cv2.UMat(2, 2, cv2.CV_8UC3).get(), (4, 6)).shape == (6, 4, 3)\n"
        "        assert _pytree.tree_leaves({'a': [1, (2, 3)]}) == [1, 2, 3]\n"
        "        assert torch.return_types.max is type(torch.ones(2, 2).max(0))\n"
        "        self.layer = nn.Linear(2, 3)\n"
        "        assert checkpoint(self.layer, torch.ones(1, 2), use_reentrant=False).shape == (1, 3)\n"
        "        self.layer(torch.ones(1, 2)).sum().backward()\n"
        "        torch.save(copy.deepcopy(self.layer).state_dict(), io.BytesIO()), pickle.dumps(self.layer)\n"
        "        assert not isinstance(self.layer.weight, FakeTensor)\n"
        "        self.traced = copy.deepcopy(symbolic_trace(nn.Sequential(nn.Linear(2, 2))))\n"
        "        assert isinstance(self.traced, torch.fx.GraphModule)\n"
        "        with FakeTensorMode():\n"
        "            assert isinstance(torch.zeros(2) + 1, FakeTensor)\n"
        "        assert double(torch.ones(2)).sum() == 4\n"
        "        self.quantised = torch.ao.nn.quantized.Linear(2, 2)\n"
        "        torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),))\n"
        "        torch.func.grad(lambda x: (x ** 2).sum())(torch.ones(2))",
        ADAMW,
        False,
    ),
    "distributed optimizer": (LONE_GROUP, "self.layer = nn.Linear(2, 3)", ZERO, False),
    "only works with all imports": (
        "import os\nassert os.environ.pop('MARK', 0) == 0\nos.environ['MARK'] = 'first attempt'\nos.chdir('/')\n"
        "import scipy.optimize\nassert type(scipy.optimize).__name__ == 'module'",
        "self.layer = nn.Linear(2, 3)",
        ADAMW,
        True,
    ),
    "meta kernels": (
        "import torch",
        "self.layer = nn.Linear(torch.nonzero_static(torch.ones(3, device='meta'), size=3).shape[0], 3)",
        ADAMW,
        True,
    ),
}
# The same command is really started again, with the original arguments.
COLD = "only works with all imports"


def write(folder: Path, imports: str, body: str, optimizer: str = ADAMW) -> None:
    (folder / "plug.py").write_text(PLUG.format(imports=imports, body=body))
    (folder / "config.py").write_text(CONFIG.format(plug="plug", optimizer=optimizer))


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name == COLD)) for name in PLUGS])
def test_the_answer_is_the_exact_one(name: str, tmp_path: Path) -> None:
    *parts, again = PLUGS[name]
    write(tmp_path, *parts)
    command = ("inspect", "config.py", "--format", "json", "--verbose")
    if name == COLD:
        quick, state = watched(*command, cwd=tmp_path)
        assert (state["deferred"], state["executed"]) == (False, INSTALLED)
    else:
        quick = lrdecay(*command, cwd=tmp_path)
    assert quick.code == 0, quick.err
    assert ("retrying without shortcuts" in quick.err) == again
    # Output of the config appears once.
    assert quick.err.count("plug is loaded") == 1
    if not again:
        assert lrdecay("inspect", "config.py", "--format", "json", "--exact", cwd=tmp_path).out == quick.out


UNUSED = """
import os, sys
from lrdecay_cli.app.shell.main import run
from lrdecay_cli.openmmlab.lazy_imports.lazy_modules import is_deferred
from lrdecay_cli.openmmlab.lazy_imports.stack_imports import DEFERRED
from lrdecay_cli.app.speed import fast_start
for arguments in (["inspect", sys.argv[1]], ["dry-run", sys.argv[1], "--iters-per-epoch", "10"]):
    assert run(arguments, console=True) == 0
    used = [name for name in DEFERRED if name in sys.modules and not is_deferred(name)]
    print(" ".join([arguments[0], *used]), file=sys.stderr)
os._exit(0)
"""


def test_commands_use_few_deferred_modules() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNUSED, LAYER_WISE],
        env={**os.environ, "LRDECAY_NO_CACHE": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    inspected, dry_run = (line.split() for line in done.stderr.splitlines()[-2:])
    assert inspected == ["inspect", "torch.hub"]
    # Modules that an optimizer's step and a data loader import.
    assert {*dry_run} & {"torch.fx", "torch.export", "torch.ao", "torch._dynamo", "torch.distributed.fsdp"} == set()


def test_an_error_is_the_exact_one(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("print('hello')\n" + BROKEN["missing num_layers"][0])
    quick, exact = (lrdecay("inspect", "config.py", *way, cwd=tmp_path) for way in ([], ["--exact"]))
    assert quick == exact
    assert (quick.code, quick.out, quick.err.count("\n")) == (2, "", 2)


SWIN = f"_base_ = {str(SAMPLES / 'swin-t_custom-keys.py')!r}\n"
# The first cases are faults of the config itself; the last one may be caused by a shortcut.
FAULTS = {
    "a class's arguments": (SWIN + "model = dict(neck=dict(nun_outs=3))\n", False),
    "a name of a model": (SWIN + "model = dict(backbone=dict(type='SwinTransfomer'))\n", False),
    "a name of a constructor": (SWIN + "optim_wrapper = dict(constructor='DefaultConstructor')\n", False),
    "a place": (SWIN + "optim_wrapper = dict(decay_rate=0.7)\n", False),
    "a backbone": (SWIN + "optim_wrapper = dict(constructor='LearningRateDecayOptimizerConstructor')\n", False),
    "a module": ("custom_imports = dict(imports=['no_such_plugin'])\n", False),
    "no model": ("lr = 1\n", False),
    "a name that may be registered later": (BROKEN["unknown model"][0], True),
    "a name whose module may have failed": (
        SWIN
        + "custom_imports = dict(imports=['no_such_plugin'], allow_failed_imports=True)\n"
        + "optim_wrapper = dict(constructor='DefaultConstructor')\n",
        True,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_final_error_is_not_retried(name: str, tmp_path: Path) -> None:
    text, again = FAULTS[name]
    (tmp_path / "config.py").write_text(text)
    result = lrdecay("inspect", "config.py", "--verbose", cwd=tmp_path)
    assert (result.code, result.out) == (2, "")
    assert ("retrying without shortcuts" in result.err) == again
    assert (
        len(
            re.findall(
                r"^lrdecay: config\.py(?::\d+| \(set at \S+\)|: \w+ \(set at \S+\))?: ", result.err, re.MULTILINE
            )
        )
        == 1
    )


def test_nothing_is_final_where_an_import_that_was_put_off_failed(tmp_path: Path) -> None:
    """Only the retry registers this constructor, because then the import is no longer deferred."""
    (tmp_path / "plug.py").write_text(
        "import sys\nimport matplotlib\nfrom mmengine.optim import DefaultOptimWrapperConstructor\n"
        "from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS\n"
        "if type(matplotlib).__name__ != 'module':\n    sys.modules['matplotlib.cbook'] = None\n"
        "try:\n    matplotlib.rcParams\nexcept ImportError:\n    pass\nelse:\n"
        "    plug = type('Plug', (DefaultOptimWrapperConstructor,), {})\n"
        "    OPTIM_WRAPPER_CONSTRUCTORS.register_module('Plug', module=plug)\n"
    )
    (tmp_path / "config.py").write_text(
        SWIN + "custom_imports = dict(imports=['plug'])\noptim_wrapper = dict(constructor='Plug')\n"
    )
    result = lrdecay("inspect", "config.py", "--verbose", cwd=tmp_path)
    assert result.code == 0, result.err
    assert "retrying without shortcuts" in result.err


def test_a_retry_still_has_stdin(tmp_path: Path) -> None:
    """This config also requires weights."""
    write(
        tmp_path,
        "",
        "self.layer = nn.Linear(2, 3)\n        nn.init.constant_(self.layer.weight, 7.0)\n"
        "        assert (self.layer.weight == 7.0).all()",
    )
    parameters = {"layer.weight": (3, 2), "layer.bias": (3,)}
    map_text = to_json(group_map({"group_0": {"lr": 1e-3, "weight_decay": 1e-2, "parameters": parameters}}))
    result = lrdecay("diff", "-", "config.py", "--only", "lr,shape", cwd=tmp_path, stdin=map_text)
    assert (result.code, result.out.splitlines()[-1]) == (0, "same in lr, shape: 2 tensors")


def test_a_python_program_keeps_its_imports(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", LAYER_WISE]) == 0
    assert "228 of 228 tensors" in capsys.readouterr().out
    assert not defers_imports()


HOLDING = """
import os, subprocess, sys, time
from lrdecay_cli.processes import streams
streams.PATIENCE = {patience}
print("before", file=sys.stderr)
with streams.holding_stderr() as held:
    os.dup2(2, 1)
    print("from python", file=sys.stderr)
    subprocess.run(["sh", "-c", "echo from a child >&2"])
    time.sleep({wait})
    {end}
    os.write(1, b"late\\n")
print("after", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("patience", "wait", "end", "lines"),
    [
        (60, 0, "pass", ["before", "from python", "from a child", "late", "after"]),
        (60, 0, "held.drop()", ["before", "late", "after"]),
        (60, 0, "held.release()", ["before", "from python", "from a child", "late", "after"]),
        (60, 0, "input()", ["before", "from python", "from a child", "late", "after"]),
        (0.1, 0.5, "held.drop()", ["before", "from python", "from a child", "late", "after"]),
    ],
)
def test_stderr_is_held_back_for_a_while(patience: float, wait: float, end: str, lines: list[str]) -> None:
    script = HOLDING.format(patience=patience, wait=wait, end=end)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=SAMPLES.parent, capture_output=True, input="\n", text=True, check=True
    )
    assert done.stderr.splitlines() == lines
