"""Heavy packages that an audit never uses: they are loaded when something uses them all the same.

For the console command alone, see :mod:`lrdecay_cli.app.speed.fast_start`: it changes ``import`` in the whole process.
"""

from __future__ import annotations

import sys

from lrdecay_cli.openmmlab.lazy_imports.lazy_modules import LazyFinder, execute, is_put_off

_META_KERNELS = "torch._meta_registrations"
_FUNCTIONAL = "torch.distributed.optim.functional_"

# By module: what the stack takes out of it by name. Any other name, and any use, loads it. The figures are what it
# would take, as shares of the CPU time of a plain build of ConvNeXt-T Mask R-CNN.
PUT_OFF: dict[str, tuple[str, ...]] = {
    # 14%: mmengine's ZeRO optimizer wrapper pulls torch.distributed.optim. That needs FSDP for an optimizer of its
    # own, which needs tensor parallelism, sympy and torch._dynamo; and it compiles TorchScript for optimizers that it
    # only lists. mmengine's own FSDP wrapper and strategy are two further roads to it.
    "torch.distributed.fsdp": ("FullyShardedDataParallel",),
    f"{_FUNCTIONAL}adadelta": ("_FunctionalAdadelta",),
    f"{_FUNCTIONAL}adagrad": ("_FunctionalAdagrad",),
    f"{_FUNCTIONAL}adam": ("_FunctionalAdam",),
    f"{_FUNCTIONAL}adamax": ("_FunctionalAdamax",),
    f"{_FUNCTIONAL}adamw": ("_FunctionalAdamW",),
    f"{_FUNCTIONAL}rmsprop": ("_FunctionalRMSprop",),
    f"{_FUNCTIONAL}rprop": ("_FunctionalRprop",),
    f"{_FUNCTIONAL}sgd": ("_FunctionalSGD",),
    "mmengine.model.wrappers.fully_sharded_distributed": ("MMFullyShardedDataParallel",),
    "mmengine._strategy.fsdp": ("FSDPStrategy",),
    # 8%: torchvision.ops pulls torch._dynamo, the compiler. The stack only computes with its operators.
    "torchvision": (),
    "torch._dynamo": (),
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

REGISTERING = tuple(name for name in PUT_OFF if name.startswith("mmpretrain."))
"""What registers types of models as it is executed."""

# torch loads its kernels before anything else can be imported; out of turn, others import each other in circles.
_finder = LazyFinder(PUT_OFF, first=_META_KERNELS)


def put_off_heavy_imports() -> None:
    """Put off what is imported from now on and is in ``PUT_OFF``. Before torch is imported."""
    if not is_quick():
        sys.meta_path.insert(0, _finder)


def is_quick() -> bool:
    """Whether heavy imports are put off in this process."""
    return _finder in sys.meta_path


def load_meta_kernels() -> None:
    """Load what ``--device meta`` needs."""
    if is_put_off(_META_KERNELS):
        execute(sys.modules[_META_KERNELS])


def spare_compiler() -> None:
    """Let optimizers take parameter groups without asking torch's compiler to look away while they do.

    The first optimizer of a process would import torch._dynamo for that. See ``torch/_compile.py``: the function that
    the decorator keeps after its first call is put there beforehand, as the plain function.
    """
    from torch.optim import Optimizer

    decorated = Optimizer.add_param_group
    plain = getattr(decorated, "__wrapped__", None)
    if is_quick() and plain is not None and not hasattr(plain, "__dynamo_disable"):
        plain.__dynamo_disable = plain
