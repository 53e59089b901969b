"""Known version conflicts, and packages that some configs need. New entries belong in this module only.

Requirements that an installed package declares are not listed here: mmdet and mmpretrain declare the versions of mmcv
and mmengine, torchvision declares the version of torch.
"""

from __future__ import annotations

from typing import NamedTuple

from lrdecay_cli.domain.diagnosis import Severity
from lrdecay_cli.files.packages import distributions_of

_PACKAGES = (
    *("torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmpretrain", "mmcls", "mmseg", "mmpose", "mmrotate"),
    *("mmdet3d", "mmyolo", "mmaction", "mmocr", "numpy", "cv2", "scipy", "matplotlib", "pycocotools", "transformers"),
    *("timm", "fairscale", "lap", "motmetrics", "skimage", "detectron2", "pkg_resources"),
)
PROVIDERS: dict[str, tuple[str, ...]] = {name: distributions_of(name) for name in _PACKAGES}
"""Import name of every package to look for, with its usual distributions. Any other distribution is a fork."""

LIBRARIES = ("mmdet", "mmpretrain", "mmseg", "mmpose", "mmrotate", "mmdet3d", "mmyolo", "mmaction", "mmocr")
"""Packages with models for mmengine. At least one must be installed."""

SHARED = ("mmengine", "mmcv", *LIBRARIES)
"""Packages that have forks with the same import name."""


class Pair(NamedTuple):
    """A known conflict between two installed packages.

    If the version of ``package`` is in the range ``versions``, the version of ``other`` must be in the range ``fits``.
    """

    package: str
    versions: str
    other: str
    fits: str
    severity: Severity
    why: str
    """Why another version is a problem."""
    install: str | None
    """The requirement to install as a fix; None if only a new environment helps.

    ``{distribution}`` is replaced by the name of the installed distribution."""
    only_with: str | None = None
    """A third package. The conflict matters only if this package is installed."""


_ABI = "this version was compiled for numpy 1 and cannot be imported with numpy 2"

PAIRS = (
    Pair("mmdet", "", "mmdet", ">=3", "error", "MMDetection 2 is not built on mmengine", None),
    Pair(
        "mmdet",
        ">=3",
        "mmcls",
        ">=1.0.0rc0",
        "warning",
        "this mmcls is built on mmcv 1, so configs of mmdet 3.0 with an mmcls backbone do not load",
        "mmcls==1.0.0rc6",
    ),
    # Measured with mmpretrain 1.2.0 and mmdet 3.3.0: 4.51 is the last with which mmpretrain's models import; 4.55 the
    # last with which mmdet catches what they raise, and with which its own GLIP builds. 4.45 is well within both.
    Pair(
        "mmpretrain",
        "<1.3",
        "transformers",
        "<4.52",
        "error",
        "mmpretrain's models, also as backbones of mmdet, cannot be imported; with transformers 4.56 or later,"
        " mmdet's models cannot be imported either",
        "transformers<4.46",
    ),
    Pair("mmdet", "<3.4", "transformers", "<4.56", "warning", "GLIP configs do not build", "transformers<4.46"),
    # mmengine/optim/optimizer/builder.py: both packages have an Adafactor, and only 0.10.6 renames torch's.
    Pair(
        "torch",
        ">=2.5",
        "mmengine",
        ">=0.10.6",
        "error",
        "this mmengine cannot be imported: it registers Adafactor of torch and of transformers under one name",
        "{distribution}>=0.10.6,<1.0.0",
        only_with="transformers",
    ),
    # mmengine's default constructor calls pkgutil.find_loader to look for compiled operators; Python 3.14 removed it.
    Pair(
        "python",
        ">=3.14",
        "mmengine",
        ">0.10.7",
        "error",
        "mmengine calls pkgutil.find_loader, which Python 3.14 removed",
        None,
    ),
    # https://github.com/numpy/numpy/issues/26191
    Pair("numpy", ">=2", "pycocotools", ">=2.0.8", "error", _ABI, "pycocotools>=2.0.8"),
    Pair("numpy", ">=2", "cv2", ">=4.10", "error", _ABI, "{distribution}>=4.10"),
    Pair("numpy", ">=2", "scipy", ">=1.13", "error", _ABI, "scipy>=1.13"),
    Pair("numpy", ">=2", "matplotlib", ">=3.8.4", "error", _ABI, "matplotlib>=3.8.4"),
    Pair(
        "torch", "<2.3", "numpy", "<2", "warning", "models that convert numpy arrays to tensors do not build", "numpy<2"
    ),
)


class Optional(NamedTuple):
    """A package that some configs of a zoo need to build."""

    package: str
    install: str
    zoo: str
    folders: tuple[str, ...]
    which: str = ""
    """Text for the report: the configs in ``folders`` that need the package; empty if all these configs need it."""
    versions: str = ""
    """Versions of the package in ``zoo`` that contain these configs: for example ``>=3.1``. Empty for all versions."""


# Found in the sources of mmdet 3.3.0 and mmpretrain 1.2.0 and in the models of their zoos. Left out are packages that
# are needed only to run, train or evaluate a model, or that are stubbed (fairscale, lap, motmetrics, scikit-image: see
# ``openmmlab/stubs/missing_modules.py``): panopticapi, scikit-learn, nltk, lvis, cityscapesscripts,
# albumentations, seaborn, trackeval, pycocoevalcap, jsonlines.
OPTIONALS = (
    Optional(
        "mmpretrain",
        "mmpretrain>=1.2.0",
        "mmdet",
        ("convnext", "deepsort", "reid", "rtmdet", "strongsort", "timm_example"),
        "only configs that name a module of mmpretrain",
        ">=3.1",
    ),
    # Only its pre-releases are built on mmengine; with 1.0.0rc6 the ConvNeXt configs of mmdet 3.0.0 build.
    Optional(
        "mmcls",
        "mmcls==1.0.0rc6",
        "mmdet",
        ("convnext", "rtmdet", "timm_example"),
        "only configs that name a module of mmcls",
        ">=3,<3.1",
    ),
    Optional("transformers", "transformers<4.46", "mmdet", ("glip", "grounding_dino", "mm_grounding_dino")),
    Optional(
        "transformers",
        "transformers<4.46",
        "mmpretrain",
        ("blip", "blip2", "chinese_clip", "clip", "flamingo", "llava", "minigpt4", "ofa", "otter"),
    ),
    Optional("timm", "timm", "mmdet", ("timm_example",)),
    Optional(
        "detectron2",
        "detectron2 @ git+https://github.com/facebookresearch/detectron2",
        "mmdet",
        ("misc",),
        "d2_*",
    ),
)
