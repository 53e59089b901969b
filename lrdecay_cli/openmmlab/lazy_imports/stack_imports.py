"""Importing the stack: torch so that an interrupt waits, heavy packages at their first use.

Heavy packages are those that an audit never uses; they are loaded when something uses them all the same. That is for
the console command alone, see :mod:`lrdecay_cli.app.speed.fast_start`: it changes ``import`` in the whole process.
"""

from __future__ import annotations

import inspect
import signal
import sys
import threading
import types
from types import FrameType
from typing import Any

from lrdecay_cli.openmmlab.lazy_imports.lazy_modules import LazyFinder, contents, execute, is_deferred

_META_KERNELS = "torch._meta_registrations"
_COMPILER = "torch._dynamo"
DEFERRED_OPTIMIZERS = "mmengine.optim.optimizer.zero_optimizer"
"""What registers optimizers as it is executed."""

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
    # 14%: of torch itself what traces, exports, compiles and quantises models, and its documentation. The names are
    # those of torch 2.13; where a version takes another, or none, its module is executed there and then.
    "torch._functorch": (),
    "torch._functorch.apis": ("grad", "grad_and_value", "vmap"),
    "torch._functorch.autograd_function": ("custom_function_call",),
    "torch._functorch.batch_norm_replacement": ("replace_all_batch_norm_modules_",),
    "torch._functorch.eager_transforms": (
        *("debug_unwrap", "functionalize", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp"),
    ),
    "torch._functorch.einops": ("rearrange",),
    "torch._functorch.functional_call": ("functional_call", "stack_module_state"),
    "torch._functorch.pyfunctorch": ("TransformType", "dispatch_functorch"),
    "torch._higher_order_ops": ("cond", "while_loop"),
    "torch._higher_order_ops.invoke_subgraph": ("NestedCompileRegionOptions",),
    "torch._lobpcg": ("lobpcg",),
    "torch._native": (),
    "torch._subclasses": (),
    "torch._export": (),
    "torch.export": (),
    "torch.onnx": (),
    "torch.fx": (),
    "torch.fx._symbolic_trace": ("PH", "ProxyableClassMeta", "Tracer", "symbolic_trace", "wrap"),
    "torch.fx.graph": ("CodeGen", "Graph"),
    "torch.fx.graph_module": ("GraphModule",),
    "torch.fx.interpreter": ("Interpreter", "Transformer"),
    "torch.fx.node": ("Node", "has_side_effect", "map_arg"),
    # A dict, which libraries of operators only hold on to.
    "torch.fx.operator_schemas": ("_SCHEMA_TO_SIGNATURE_CACHE",),
    "torch.fx.proxy": ("Proxy",),
    "torch.fx.subgraph_rewriter": ("replace_pattern",),
    "torch.ao": (),
    "torch.quantization": (),
    "torch.nn.intrinsic": (),
    "torch.nn.qat": (),
    "torch.nn.quantizable": (),
    "torch.nn.quantized": (),
    "torch.masked": (),
    "torch.nested": (),
    "torch.distributions": (),
    "torch.quasirandom": (),
    "torch.profiler": (),
    "torch.hub": ("load_state_dict_from_url", "tqdm"),
    "torch.testing": (),
    "torch.testing._comparison": ("default_tolerances",),
    "torch._size_docs": (),
    "torch._storage_docs": (),
    "torch._tensor_docs": (),
    "torch.distributed._meta_registrations": (),
    "torch.distributed.device_mesh": ("DeviceMesh", "init_device_mesh"),
    "torch.utils._debug_mode": (),
    "torch.utils.checkpoint": ("checkpoint",),
    "torch.utils.data.graph_settings": (),
    "torch.utils.data.datapipes": (),
    "torch.utils.data.datapipes._decorator": (
        *("argument_validation", "functional_datapipe", "guaranteed_datapipes_determinism", "non_deterministic"),
        *("runtime_validation", "runtime_validation_disabled"),
    ),
    "torch.utils.data.datapipes.datapipe": (
        *("DFIterDataPipe", "DataChunk", "IterDataPipe", "MapDataPipe"),
        *("_IterDataPipeSerializationWrapper", "_MapDataPipeSerializationWrapper"),
    ),
    "torchgen": (),
    # They subclass, or call, what is in there.
    "mmengine.model.utils": (
        *("convert_sync_batchnorm", "detect_anomalous_params", "merge_dict", "revert_sync_batchnorm", "stack_batch"),
    ),
    DEFERRED_OPTIMIZERS: ("ZeroRedundancyOptimizer",),
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

# torch imports its own in one order; out of turn, they import each other in circles. So whatever uses one of them, or
# something that may use them, has them all executed in that order.
_IN_ORDER = ("torch", "torchgen")
# What uses none of them.
_ALONE = (
    "torch.fx.experimental.sym_node",
    "torch.hub",
    "torch.testing",
    "torch.distributions",
    "torch.quasirandom",
    "torch._tensor_docs",
    "torch.utils.data",
    "scipy",
    "matplotlib",
)

_finder = LazyFinder(DEFERRED, first=_IN_ORDER, alone=_ALONE)


def defer_heavy_imports() -> None:
    """Defer what is imported from now on and is in ``DEFERRED``. Before torch is imported."""
    if not defers_imports():
        sys.meta_path.insert(0, _finder)
        _find_modules_of_frames_quickly()


def _find_modules_of_frames_quickly() -> None:
    """Let ``inspect.getmodule`` answer for a frame of a module without looking at the files of all modules.

    mmengine asks it for the scope of every registry that is defined (0.10.7, ``Registry.infer_scope``).
    """
    search = inspect.getmodule

    def getmodule(object: Any, _filename: str | None = None) -> types.ModuleType | None:
        if isinstance(object, types.FrameType) and _filename is None:
            module = sys.modules.get(object.f_globals.get("__name__", ""))
            if (
                type(module) is types.ModuleType
                and vars(module) is object.f_globals
                and vars(module).get("__file__") == object.f_code.co_filename
            ):
                return module
        return search(object, _filename)

    inspect.getmodule = getmodule


def defers_imports() -> bool:
    """Whether heavy imports are deferred in this process."""
    return _finder in sys.meta_path


def load_meta_kernels() -> None:
    """Load what ``--device meta`` needs."""
    load_deferred(_META_KERNELS)


def load_deferred(name: str) -> None:
    """Execute a module now if it has been imported and deferred."""
    if is_deferred(name):
        execute(sys.modules[name])


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
