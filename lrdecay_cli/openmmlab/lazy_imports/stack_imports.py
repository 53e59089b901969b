"""Importing the stack: torch so that an interrupt waits, heavy packages at their first use.

Heavy packages are those that an audit never uses; they are loaded when something uses them all the same. That is for
the console command alone, see :mod:`lrdecay_cli.app.speed.fast_start`: it changes ``import`` in the whole process.
"""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any

from lrdecay_cli.openmmlab.lazy_imports.lazy_modules import LazyFinder, contents, execute, is_deferred

_META_KERNELS = "torch._meta_registrations"
_COMPILER = "torch._dynamo"

# By module: what the stack takes out of it by name. Any other name, and any use, loads it. The figures are what it
# would take, as shares of the CPU time of a plain build of ConvNeXt-T Mask R-CNN.
DEFERRED: dict[str, tuple[str, ...]] = {
    # 14%: mmengine's ZeRO optimizer wrapper pulls torch.distributed.optim. That needs FSDP for an optimizer of its
    # own, which needs tensor parallelism, sympy and torch._dynamo; and it compiles TorchScript for optimizers that it
    # only lists. mmengine's own FSDP wrapper and strategy are two further roads to it.
    "torch.distributed.fsdp": ("FullyShardedDataParallel",),
    **{
        f"torch.distributed.optim.functional_{name.lower()}": (f"_Functional{name}",)
        for name in ("Adadelta", "Adagrad", "Adam", "Adamax", "AdamW", "RMSprop", "Rprop", "SGD")
    },
    "mmengine.model.wrappers.fully_sharded_distributed": ("MMFullyShardedDataParallel",),
    "mmengine._strategy.fsdp": ("FSDPStrategy",),
    # 8%: torchvision.ops pulls torch._dynamo, the compiler. The stack only computes with its operators.
    "torchvision": (),
    _COMPILER: (),
    # 4%: kernels for tensors without memory, on which nothing is built unless --device meta asks for it. Whatever
    # misses one raises, and is run again without any of this.
    _META_KERNELS: (),
    # 4%: assignments of boxes to objects, in the loss; tracking; an evaluation metric.
    "scipy.optimize": ("linear_sum_assignment",),
    "scipy.linalg": (),
    "scipy.sparse": ("csr_matrix",),
    "scipy.sparse.csgraph": ("maximum_bipartite_matching",),
    # 4%: drawings.
    "matplotlib": (),
    "matplotlib.patches": ("Rectangle",),
    # 22%, where it is installed: language models. The last four subclass its classes. What they register is not known
    # until then: a config that names it fails, and is run again.
    "transformers": ("Adafactor", "AutoTokenizer", "BertConfig", "BertModel"),
    "mmdet.models.utils.vlfuse_helper": (
        *("BertEncoderLayer", "MAX_CLAMP_VALUE", "SingleScaleBiAttentionBlock", "VLFuse", "permute_and_flatten"),
    ),
    "mmpretrain.models.multimodal": ("*",),
    "mmpretrain.models.utils.huggingface": (
        *("no_load_hf_pretrained_model", "register_hf_model", "register_hf_tokenizer"),
    ),
    "mmpretrain.models.utils.tokenizer": ("Blip2Tokenizer", "BlipTokenizer", "FullTokenizer", "OFATokenizer"),
}

REGISTERING = tuple(name for name in DEFERRED if name.startswith("mmpretrain."))
"""What registers types of models as it is executed."""

# torch loads its kernels before anything else can be imported; out of turn, others import each other in circles.
_finder = LazyFinder(DEFERRED, first=_META_KERNELS)


def defer_heavy_imports() -> None:
    """Defer what is imported from now on and is in ``DEFERRED``. Before torch is imported."""
    if not defers_imports():
        sys.meta_path.insert(0, _finder)


def defers_imports() -> bool:
    """Whether heavy imports are deferred in this process."""
    return _finder in sys.meta_path


def load_meta_kernels() -> None:
    """Load what ``--device meta`` needs."""
    if is_deferred(_META_KERNELS):
        execute(sys.modules[_META_KERNELS])


def spare_compiler() -> None:
    """Let optimizers take parameter groups, states and steps without torch's compiler, which nothing here uses.

    The first use of an optimizer would import torch._dynamo, to tell it to look away.

    Source: torch 2.13.0. ``torch/_compile.py``: the function that the decorator keeps after its first call is put there
    beforehand, as the plain function. ``torch/optim/optimizer.py``, ``_use_grad_for_differentiable``: a step asks for a
    break in the graph that is being compiled, and there is none.
    """
    if not defers_imports():
        return
    from torch.optim import Optimizer

    for method in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
        plain = getattr(getattr(Optimizer, method), "__wrapped__", None)
        if plain is not None and not hasattr(plain, "__dynamo_disable"):
            plain.__dynamo_disable = plain
    import torch._dynamo  # noqa: F401 (deferred)

    if is_deferred(_COMPILER):
        contents(sys.modules[_COMPILER]).setdefault("graph_break", lambda *_: None)


def import_torch() -> None:
    """Import torch. Ctrl-C and SIGTERM wait until that is done; whoever sends a second one does not wait.

    C++ code of torch calls Python while it is imported. An exception of a signal handler, raised in there, aborts the
    process (``terminate called after throwing an instance of 'pybind11::error_already_set'``), and nothing is cleaned
    up.
    """
    handlers: dict[int, Any] = {}
    if "torch" not in sys.modules and threading.current_thread() is threading.main_thread():
        known = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        handlers = {number: handler for number, handler in known.items() if callable(handler)}
    came: list[tuple[int, FrameType | None]] = []

    def wait(number: int, frame: FrameType | None) -> None:
        came.append((number, frame))
        restore()

    def restore() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    for number in handlers:
        signal.signal(number, wait)
    try:
        import torch  # noqa: F401
    finally:
        restore()
    for number, frame in came:
        handlers[number](number, frame)
