"""Import torch and OpenMMLab. Slow packages that an audit does not use are imported only at their first use.

Only the console command defers imports, because deferring changes ``import`` in the whole process: see
:mod:`lrdecay_cli.app.speed.fast_start`.
"""

from __future__ import annotations

import inspect
import sys
import types
from typing import Any

from lrdecay_cli.files.interrupts import delayed_interrupts
from lrdecay_cli.openmmlab.lazy_imports.lazy_modules import LazyFinder, contents, execute, is_deferred

_META_KERNELS = "torch._meta_registrations"
_COMPILER = "torch._dynamo"
DEFERRED_OPTIMIZERS = "mmengine.optim.optimizer.zero_optimizer"
"""Module that registers optimizer classes when it is executed."""

# By module: the names that the stack imports from it. Any other name, and any use, loads it. Percentages: the import's
# share of the CPU time of a plain build of ConvNeXt-T Mask R-CNN.
DEFERRED: dict[str, tuple[str, ...]] = {
    # 14%: mmengine's ZeRO optimizer wrapper imports torch.distributed.optim. That imports FSDP, which needs tensor
    # parallelism, sympy and torch._dynamo, and it compiles TorchScript for optimizers that it only lists. mmengine's
    # FSDP wrapper and strategy are two further paths to it.
    "torch.distributed.fsdp": ("FullyShardedDataParallel",),
    **{
        f"torch.distributed.optim.functional_{name.lower()}": (f"_Functional{name}",)
        for name in ("Adadelta", "Adagrad", "Adam", "Adamax", "AdamW", "RMSprop", "Rprop", "SGD")
    },
    "mmengine.model.wrappers.fully_sharded_distributed": ("MMFullyShardedDataParallel",),
    "mmengine._strategy.fsdp": ("FSDPStrategy",),
    # 8%: torchvision.ops imports torch._dynamo, the compiler. The stack only computes with its operators.
    "torchvision": (),
    _COMPILER: (),
    # 4%: kernels for tensors without memory, used only with --device meta. A build that needs one raises, and is
    # retried on the slow path.
    _META_KERNELS: (),
    # 4%: parts of torch that trace, export, compile and quantise models, and its documentation. The names are those
    # of torch 2.13; if a version imports other names, the module is executed at once.
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
    # A dict that libraries of operators only store.
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
    "torch._guards": ("CompileId",),
    "torch._library": (),
    "torch._library.custom_ops": ("CustomOpDef", "_cast", "_maybe_get_opdef", "custom_op", "device_types_t"),
    "torch._library.effects": ("EffectType",),
    "torch._library.infer_schema": ("infer_schema",),
    "torch._library.opaque_object": ("is_opaque_reference_type",),
    "torch._library.triton": ("triton_op", "wrap_triton"),
    "torch._strobelight": (),
    "torch._strobelight.compile_time_profiler": ("StrobelightCompileTimeProfiler",),
    "torch.distributed.rpc.server_process_global_profiler": ("_server_process_global_profile",),
    "torch.package.analyze": (),
    "torch.package.analyze.is_from_package": ("is_from_package",),
    "torch.package.package_exporter": ("EmptyMatchError", "PackageExporter", "PackagingError"),
    "torch.return_types": (),
    "torch.compiler": (),
    "torch.cuda.tunable": (),
    "torch.distributed.config": (),
    "torch.nn.attention": (),
    "torch.utils._config_module": (),
    "torch.utils._pytree": ("_broadcast_to_and_flatten", "tree_flatten", "tree_unflatten"),
    # They subclass or call its contents.
    "mmengine.model.utils": (
        *("convert_sync_batchnorm", "detect_anomalous_params", "merge_dict", "revert_sync_batchnorm", "stack_batch"),
    ),
    DEFERRED_OPTIMIZERS: ("ZeroRedundancyOptimizer",),
    # 4%: assignment of boxes to objects in the loss; tracking; an evaluation metric.
    "scipy": (),
    "scipy.optimize": ("linear_sum_assignment",),
    "scipy.linalg": (),
    "scipy.sparse": ("csr_matrix",),
    "scipy.sparse.csgraph": ("maximum_bipartite_matching",),
    # 2%: images, videos and datasets; writing configs, and reading any other than Python.
    "cv2": (),
    "mmcv.image": (
        *("*", "bgr2gray", "bgr2hls", "bgr2hsv", "bgr2rgb", "gray2bgr", "gray2rgb", "hls2bgr", "hsv2bgr"),
        *("imconvert", "rgb2bgr", "rgb2gray", "imrescale", "imresize", "imresize_like"),
        *("imresize_to_multiple", "rescale_size", "imcrop", "imflip", "imflip_", "impad", "impad_to_multiple"),
        *("imrotate", "imfrombytes", "imread", "imwrite", "supported_backends", "use_backend"),
        *("imdenormalize", "imnormalize", "imnormalize_", "iminvert", "posterize", "solarize", "rgb2ycbcr"),
        *("bgr2ycbcr", "ycbcr2rgb", "ycbcr2bgr", "tensor2imgs", "imshear", "imtranslate", "adjust_color"),
        *("imequalize", "adjust_brightness", "adjust_contrast", "lut_transform", "clahe", "adjust_sharpness"),
        *("auto_contrast", "cutout", "adjust_lighting", "adjust_hue"),
    ),
    "mmcv.transforms": (
        *("*", "BaseTransform", "TRANSFORMS", "TransformBroadcaster", "Compose", "RandomChoice", "KeyMapper"),
        *("LoadImageFromFile", "LoadAnnotations", "Normalize", "Resize", "Pad", "RandomFlip"),
        *("RandomChoiceResize", "CenterCrop", "RandomGrayscale", "MultiScaleFlipAug", "RandomResize"),
        *("RandomApply", "TestTimeAug"),
    ),
    "mmcv.video": (
        *("*", "Cache", "VideoReader", "frames2video", "convert_video", "resize_video", "cut_video"),
        *("concat_video", "flowread", "flowwrite", "quantize_flow", "dequantize_flow", "flow_warp"),
        *("flow_from_bytes", "sparse_flow_from_bytes"),
    ),
    "mmcv.visualization": (
        *("*", "Color", "color_val", "imshow", "imshow_bboxes", "imshow_det_bboxes", "flowshow", "flow2rgb"),
        "make_color_wheel",
    ),
    "mmdet.datasets": (),
    "mmdet.datasets.samplers": ("TrackImgSampler",),
    "mmdet.evaluation.metrics": (
        *("*", "CityScapesMetric", "CocoMetric", "CocoPanopticMetric", "OpenImagesMetric", "VOCMetric"),
        *("LVISMetric", "CrowdHumanMetric", "DumpProposals", "CocoOccludedSeparatedMetric", "DumpDetResults"),
        *("BaseVideoMetric", "MOTChallengeMetric", "CocoVideoMetric", "ReIDMetrics", "YouTubeVISMetric"),
        *("COCOCaptionMetric", "SemSegMetric", "RefSegMetric", "RefExpMetric", "gRefCOCOMetric"),
        *("DODCocoMetric", "DumpODVGResults", "Flickr30kMetric", "OVCocoMetric"),
    ),
    "mmpretrain.evaluation.metrics": (
        *("*", "Accuracy", "SingleLabelMetric", "MultiLabelMetric", "AveragePrecision", "MultiTasksMetric"),
        *("VOCAveragePrecision", "VOCMultiLabelMetric", "ConfusionMatrix", "RetrievalRecall", "VQAAcc"),
        *("ReportVQA", "COCOCaption", "VisualGroundingMetric", "ScienceQAMetric", "GQAAcc", "NocapsSave"),
        *("RetrievalAveragePrecision", "ShapeBiasMetric", "ANLS"),
    ),
    "modelindex": (),
    "modelindex.load_model_index": ("load",),
    "modelindex.models": (),
    "modelindex.models.Model": ("Model",),
    "pycocotools": (),
    "shapely": (),
    "tqdm": ("tqdm",),
    "rich.console": ("Console",),
    "rich.table": ("Table",),
    "rich.text": ("Text",),
    "mmpretrain.utils.progress": ("track", "track_on_main_process"),
    "mmengine.utils.progressbar_rich": ("track_progress_rich",),
    "yaml": ("CDumper", "CLoader"),
    "yapf": (),
    "yapf.yapflib": (),
    "yapf.yapflib.yapf_api": ("FormatCode",),
    # Under 1%: downloads, tests, and the documentation of numpy.
    "urllib.request": ("Request", "urlopen"),
    "unittest": (),
    "unittest.mock": ("patch",),
    "numpy._core._add_newdocs": (),
    "numpy._core._add_newdocs_scalars": (),
    # 4%: drawings.
    "matplotlib": (),
    "matplotlib.patches": ("Rectangle",),
    # 22% if installed: language models. The last four subclass its classes. Their types are registered only at
    # execution: a config that names one fails, and is retried on the slow path.
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

REGISTERING = tuple(name for name in DEFERRED if name.startswith("mmpretrain.models."))
"""Modules that register model classes when they are executed."""

# torch imports its modules in a fixed order; in another order they import each other in circles. So any use of one of
# them, or of a module that may use them, executes all in that order.
_IN_ORDER = ("torch", "torchgen")
_SYMBOLIC_NUMBERS = ("torch.fx.experimental.sym_node", "torch.fx.experimental._constant_symnode")
# Modules that use no module in _IN_ORDER.
_ALONE = (
    *_SYMBOLIC_NUMBERS,
    "torch.hub",
    "torch.testing",
    "torch.distributions",
    "torch.quasirandom",
    "torch._tensor_docs",
    *("torch.compiler", "torch.cuda.tunable", "torch.distributed.config", "torch.nn.attention"),
    *(
        "torch.utils._config_module",
        "torch._library",
        "torch.nested",
        "torch.profiler",
        "torch.utils._pytree",
        "torch.utils.data",
    ),
    *("cv2", "matplotlib", "modelindex", "numpy", "pycocotools", "rich", "scipy", "shapely"),
    *("tqdm", "unittest", "urllib", "yaml", "yapf"),
    *("mmcv.image", "mmcv.video", "mmcv.visualization", "mmengine.utils.progressbar_rich"),
)

_finder = LazyFinder(DEFERRED, first=_IN_ORDER, alone=_ALONE, bare=_SYMBOLIC_NUMBERS)


def defer_slow_imports() -> None:
    """Defer imports of the modules in ``DEFERRED`` from now on. Call this before torch is imported."""
    if not defers_imports():
        sys.meta_path.insert(0, _finder)
        _speed_up_getmodule()


def _speed_up_getmodule() -> None:
    """Patch ``inspect.getmodule`` so that it finds the module of a frame without checking the files of all modules.

    mmengine calls ``inspect.getmodule`` for the scope of every new registry (0.10.7, ``Registry.infer_scope``).
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
    """True if slow imports are deferred in this process."""
    return _finder in sys.meta_path


def load_meta_kernels() -> None:
    """Load torch's kernels for the meta device, which ``--device meta`` needs."""
    load_deferred(_META_KERNELS)


def load_deferred(name: str) -> None:
    """Execute the module ``name`` now if its execution is deferred."""
    if is_deferred(name):
        execute(sys.modules[name])


def spare_compiler() -> None:
    """Prevent optimizers from importing torch's compiler.

    Otherwise the first use of an optimizer would import torch._dynamo, only to disable the compiler.

    Source: torch 2.13.0. In ``torch/_compile.py``, a decorator stores an uncompiled method at its first call. lrdecay
    stores the method before the first call. In ``torch/optim/optimizer.py``, ``_use_grad_for_differentiable`` calls
    ``graph_break`` in each step. lrdecay replaces it by a function that does nothing, because no graph is compiled.
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
    """Import torch. Ctrl-C and SIGTERM take effect after the import; a second signal takes effect at once.

    torch's C++ code calls Python during the import. If a signal handler raises there, the process aborts without
    clean-up (``terminate called after throwing an instance of 'pybind11::error_already_set'``).
    """
    if "torch" in sys.modules:
        return
    with delayed_interrupts():
        import torch  # noqa: F401
