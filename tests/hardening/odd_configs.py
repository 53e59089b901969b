"""Training configs whose modules have side effects, by side effect; all have the same model."""

from __future__ import annotations

from pathlib import Path

ORDINARY = """
default_scope = "mmpretrain"
arch = dict(depths=[1, 1, 1, 1], channels=[4, 8, 16, 32])
model = dict(type="ImageClassifier", backbone=dict(type="ConvNeXt", arch=arch))
optim_wrapper = dict(
    optimizer=dict(type="AdamW", lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(custom_keys={"norm": dict(decay_mult=0.0), "backbone.stages.0": dict(lr_mult=0.1)}),
)
"""

ORDINARY_NAMES = ("a_first", "m_middle", "zz_last")

HARMLESS = {
    "prints": "print('{\"noise\": 1}')\nprint('\\x1b[2J')",
    "writes_to_both": "import os\nos.write(1, b'noise'), os.write(2, b'noise')",
    "c_code_writes": "import ctypes as c\nc.CDLL(None).puts(b'noise'), c.CDLL(None).fflush(None)",
    "a_child_writes": "import subprocess\nsubprocess.run(['echo', 'noise'])",
    "writes_at_exit": "import atexit as a\na.register(print, 'noise')",
    "replaces_stdout": "import io, sys\nsys.stdout = sys.stderr = io.StringIO()",
    "no_stdout": "import sys\nsys.stdout = sys.stderr = sys.stdin = None",
    "closes_sys_stdin": "import sys\nsys.stdin.close()",
    "forks": "import os\nif os.fork() == 0:\n    os.write(1, b'noise'), os._exit(0)\nelse:\n    os.wait()",
    "leaves_a_daemon": (
        "import os, time\nif os.fork() == 0:\n    os.setsid(), time.sleep(1), os.write(1, b'noise'), os._exit(0)\n"
    ),
    "changes_directory": "import os\nos.chdir('/')",
    "changes_path": "import sys\nsys.path.insert(0, '/nowhere'), sys.path.remove(sys.path[-1])",
    "empties_path": "import sys\nsys.path.clear()",
    "changes_environment": (
        "import os\nos.environ.update(NO_COLOR='1', COLUMNS='3', LRDECAY_TRACEBACK='1', LC_ALL='tr_TR', HOME='/x')"
    ),
    "empties_environment": "import os\nos.environ.clear()",
    "changes_locale": "import locale as l\ntry:\n    l.setlocale(l.LC_ALL, 'de_DE.UTF-8')\nexcept l.Error:\n    pass",
    "warns": "import warnings as w\nw.simplefilter('always'), w.warn('noise'), w.simplefilter('error')",
    "logs": ("import logging as l, sys\nl.basicConfig(stream=sys.__stdout__, level=0, force=True)\nl.warning('noise')"),
    "takes_signals": (
        "import signal as s\n[s.signal(n, s.SIG_IGN) for n in (s.SIGINT, s.SIGTERM, s.SIGPIPE, s.SIGCHLD)]"
    ),
    "takes_hooks": "import sys\nsys.excepthook = sys.unraisablehook = lambda *a: print('noise')",
    "traces": "import sys\nsys.settrace(lambda *a: None), sys.setprofile(lambda *a: None)",
    "changes_dtype": "import torch as t\nt.set_default_dtype(t.float64)",
    "no_gradients": "import torch as t\nt.set_grad_enabled(False)",
    "seeds": "import random as r, torch as t\nr.seed(0), t.manual_seed(0), t.use_deterministic_algorithms(True)",
    "changes_scope": "from mmengine.registry import DefaultScope as D\nD.get_instance('odd', scope_name='mmdet')",
    "registers_again": (
        "from mmengine.registry import MODELS as M\nfrom torch import nn\n"
        "M.register_module(name='ConvNeXt', force=True, module=nn.Identity)"
    ),
    "patches_time": "import time as t\nt.time = t.monotonic = lambda: 0.0",
    "low_recursion": "import sys\nsys.setrecursionlimit(400)",
    "umask": "import os\nos.umask(0o777)",
    "priority": "import os\nos.nice(1)",
    "few_files": "import resource as r\nr.setrlimit(r.RLIMIT_NOFILE, (64, 64))",
    "collects_garbage": "import gc as g\ng.freeze(), g.collect(), g.disable(), g.set_debug(0)",
}
"""Configs whose map is nevertheless the ordinary one."""

HARMLESS_TO_OTHERS = {
    "patches_json": "import json as j\nj.dumps = j.dump = j.loads = lambda *a, **k: 'noise'",
    "leaves_a_thread": (
        "import threading as t, time\n"
        "t.Thread(target=lambda: [(time.sleep(0.01), print('noise')) for _ in iter(int, 1)], daemon=True).start()"
    ),
}
"""Configs that damage the report of their own process, which is their own report."""

FATAL = {
    "sys_exit": ("import sys\nsys.exit(0)", "error"),
    "os_exit": ("import os\nos._exit(0)", "crashed"),
    "os_exit_in_fork": ("import os\nos.fork()\nos._exit(0)", "crashed"),
    "kills_itself": ("import os\nos.kill(os.getpid(), 9)", "crashed"),
    "loops": ("import time\nwhile True:\n    time.sleep(0.01)", "timeout"),
    "sleeps_ignoring_signals": (
        "import signal as s, time as t\n[s.signal(n, s.SIG_IGN) for n in (2, 15)]\nt.sleep(600)", "timeout",
    ),
    "closes_everything": ("import os\nos.closerange(0, 256)", "crashed"),
    "patches_torch": ("import torch as t\nt.nn.Module.named_parameters = lambda *a, **k: iter(())", "error"),
    "patches_mmengine": (
        "import mmengine.optim as o\no.DefaultOptimWrapperConstructor.__call__ = lambda *a: None", "error",
    ),
    "memory": ("hog = bytearray(3 << 30)", "crashed"),
    "interrupts": ("raise KeyboardInterrupt", "crashed"),
}  # fmt: skip
"""Code, and the status that a scan reports."""


def write_configs(folder: Path) -> dict[str, str]:
    """Write all of them and three ordinary configs into ``folder``; return the status that a scan reports, by name."""
    modules = folder / "modules"
    modules.mkdir()
    effects = {name: (code, "ok") for name, code in {**HARMLESS, **HARMLESS_TO_OTHERS}.items()} | FATAL
    for name, (code, _) in effects.items():
        (modules / f"odd_{name}.py").write_text(code, encoding="utf-8")
        custom = f"__import__('sys').path.append({str(modules)!r})\ncustom_imports = dict(imports=['odd_{name}'])\n"
        (folder / f"{name}.py").write_text(custom + ORDINARY, encoding="utf-8")
    for name in ORDINARY_NAMES:
        (folder / f"{name}.py").write_text(ORDINARY, encoding="utf-8")
    return {f"{name}.py": status for name, (_, status) in effects.items()} | {f"{n}.py": "ok" for n in ORDINARY_NAMES}
