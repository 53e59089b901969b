"""Errors about packages, in the words of torch and mm*: which package, which version, and how to install it."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
import types
from pathlib import Path

import pytest

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.failures import missing_packages
from lrdecay_cli.openmmlab.failures.missing_packages import needed_package
from lrdecay_cli.openmmlab.failures.translate import BUILDING, translate_errors
from tests.commands.running import SAMPLES

TRANSFORMERS = 'pip install "transformers>=4.40,<4.46"'
# text, as raised by the package in brackets: (status, fix) if neither is installed here
MESSAGES = {
    # mmpretrain, TIMMBackbone
    'TIMMBackbone requires timm, please install it by `pip install "timm"`.': ("needs timm", "pip install timm"),
    # mmdet, LanguageModel in an environment without it: see the subprocess below
    "nosuch is not installed, please install it by: pip install nosuch.": ("needs nosuch", "pip install nosuch"),
    # mmdet, Detectron2Wrapper
    "Please install Detectron2 first": (
        "needs detectron2",
        "pip install git+https://github.com/facebookresearch/detectron2.git",
    ),
    # transformers, LlamaTokenizer
    "\nLlamaTokenizer requires the SentencePiece library but it was not found in your environment.": (
        "needs sentencepiece",
        "pip install sentencepiece",
    ),
    # an import of a package compiled for NumPy 1, and a name that NumPy 2 removed
    "numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header": (
        "needs numpy<2",
        'pip install "numpy<2"',
    ),
    "`np.float_` was removed in the NumPy 2.0 release. Use `np.float64` instead.": (
        "needs numpy<2",
        'pip install "numpy<2"',
    ),
    # mmseg 1.2.2, VPD
    "To use VPD model, please install required packages via `pip install -r requirements/optional.txt`.": (
        "needs latent-diffusion",
        "pip install git+https://github.com/CompVis/stable-diffusion.git",
    ),
    # pandas 3.0, with the NumPy 1 that another package required
    "Please upgrade numpy to >= 99.0.2 to use this pandas version.": (
        "needs numpy>=99.0.2",
        'pip install --no-deps "numpy>=99.0.2"',
    ),
    "No module named 'mmcls'": (
        "needs mmcls",
        'pip install --no-deps "mmcls>=1.0.0rc0" "mmcv-lite>=2.0.0rc4,<2.1.0"',
    ),
    # mmengine, for a config of mmrazor
    "mmcls is not installed, please install mmcls manually": (
        "needs mmcls",
        'pip install --no-deps "mmcls>=1.0.0rc0" "mmcv-lite>=2.0.0rc4,<2.1.0"',
    ),
    # mmdet3d, MinkResNet and MinkUNetBackboneV2
    "Please follow `get_started.md` to install MinkowskiEngine.`": (
        "needs MinkowskiEngine",
        "it has no wheel: build it from https://github.com/NVIDIA/MinkowskiEngine",
    ),
    # mmdet3d, MinkUNetBackbone
    "Please follow `getting_started.md` to install Minkowski Engine.`": (
        "needs MinkowskiEngine",
        "it has no wheel: build it from https://github.com/NVIDIA/MinkowskiEngine",
    ),
    "Please follow `get_started.md` to install Torchsparse.`": (
        "needs torchsparse",
        "it has no wheel: build it from https://github.com/mit-han-lab/torchsparse",
    ),
    # mmrazor 1.0.0, the placeholder of its quantizers
    "`torch>=1.13` is not installed properly, plz check.": (
        "needs torch>=1.13,<2",
        'in a separate environment: pip install "torch>=1.13,<2"',
    ),
    # diffusers 0.28, with a newer hub
    "cannot import name 'cached_download' from 'huggingface_hub' (/site-packages/huggingface_hub/__init__.py)": (
        "needs huggingface_hub<0.26",
        'pip install "huggingface_hub<0.26"',
    ),
    "No module named 'skimage'": ("needs scikit-image", "pip install scikit-image"),
    # mmdet, PAAHead
    "Please run pip install sklearn to install sklearn first.": ("needs scikit-learn", "pip install scikit-learn"),
    # mmagic, CLIPLoss
    'clip is not installed. Please install it by "pip install git+https://github.com/openai/CLIP.git"': (
        "needs CLIP",
        "pip install git+https://github.com/openai/CLIP.git",
    ),
    # mmdet, the COCO panoptic metric
    "panopticapi is missing, install it by: pip install git+https://github.com/cocodataset/panopticapi.git.": (
        "needs panopticapi",
        "pip install git+https://github.com/cocodataset/panopticapi.git",
    ),
    "No module named 'mmseg'": ("needs mmsegmentation", "pip install mmsegmentation"),
    "No module named 'mmaction.models'": ("needs mmaction2", "pip install mmaction2"),
    "No module named 'mmrotate'": ("needs mmrotate-dev", "pip install mmrotate-dev"),
    "mmsegmentation is required: mim install mmseg": ("needs mmsegmentation", "pip install mmsegmentation"),
    "Please install mmaction first": ("needs mmaction2", "pip install mmaction2"),
    "No module named 'open_clip'": ("needs open-clip-torch", "pip install open-clip-torch"),
    "No module named 'Polygon'": ("needs polygon3", "pip install polygon3"),
    # apex on PyPI is another package, and DCNv3 is in no index.
    "No module named 'apex'": ("needs apex", "it has no wheel: build it from https://github.com/NVIDIA/apex"),
    "No module named 'DCNv3'": (
        "needs DCNv3",
        "it has no wheel: build it from https://github.com/OpenGVLab/InternImage (ops_dcnv3)",
    ),
    "No module named 'mmcv'": ("needs mmcv", 'pip install "mmcv-lite>=2.0.0rc4,<2.2.0"'),
    "No module named 'torchvision'": ("needs torchvision", "pip install torchvision==0.28.* torch==2.13.0"),
}


@pytest.mark.parametrize("text", MESSAGES)
@pytest.mark.parametrize("kind", [RuntimeError, ImportError])
def test_message(text: str, kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("timm", "sentencepiece", "skimage", "scikit-image", "sklearn", "mmcv", "torchvision"):
        _hide(package, monkeypatch)
    with pytest.raises(LrdecayError) as raised, translate_errors(BUILDING, "config.py"):
        raise kind(text)
    status, fix = MESSAGES[text]
    assert raised.value.status == status
    assert raised.value.fix == fix
    assert "\n" not in raised.value.line()


# text, as asserted by a package: (status, fix) with mmcv-lite 2.1.0 and mmdet 3.3.0
ASSERTIONS = {
    # mmyolo 0.6.0, and mmcls 1.0.0rc6
    "MMCV==2.1.0 is used but incompatible. Please install mmcv>=2.0.0rc4, <2.1.0.": (
        "needs mmcv>=2.0.0rc4,<2.1.0",
        'pip install --no-deps "mmcv-lite>=2.0.0rc4,<2.1.0"',
    ),
    "MMEngine==0.10.7 is used but incompatible. Please install mmengine>=0.7.0, <0.10.0.": (
        "needs mmengine>=0.7.0,<0.10.0",
        'pip install --no-deps "mmengine>=0.7.0,<0.10.0"',
    ),
    # mmocr 1.0.1; mmdet 3.1 needs an older mmcv too
    "MMDetection 3.3.0 is incompatible with MMOCR 1.0.1. Please use MMDetection >= 3.0.0rc5, < 3.2.0 instead.": (
        "needs mmdet>=3.0.0rc5,<3.2.0",
        'pip install --no-deps "mmdet>=3.0.0rc5,<3.2.0" "mmcv-lite>=2.0.0rc4,<2.1.0"',
    ),
    # mmyolo 0.6.0
    "MMDetection==3.3.0 is used but incompatible. Please install mmdet>=3.0.0, <3.2.0.": (
        "needs mmdet>=3.0.0,<3.2.0",
        'pip install --no-deps "mmdet>=3.0.0,<3.2.0" "mmcv-lite>=2.0.0rc4,<2.1.0"',
    ),
}


@pytest.mark.parametrize("text", ASSERTIONS)
def test_a_version_that_a_package_refuses_is_named_with_the_one_that_it_takes(text: str) -> None:
    with pytest.raises(LrdecayError) as raised, translate_errors(BUILDING, "config.py"):
        raise AssertionError(text)
    assert (raised.value.status, raised.value.fix) == ASSERTIONS[text]


def test_a_fork_is_removed_before_its_replacement_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    bringing = {"mmcv": ["onedl-mmcv"], "mmdet": ["mmdet"]}
    monkeypatch.setattr(missing_packages, "distributions_bringing", lambda package: bringing[package])
    monkeypatch.setattr(missing_packages, "_version", {"onedl-mmcv": "2.3.6", "mmdet": "3.3.0"}.get)
    need = needed_package(AssertionError(next(iter(ASSERTIONS))))
    assert need is not None
    assert need.fix == 'pip uninstall -y onedl-mmcv && pip install --no-deps "mmcv-lite>=2.0.0rc4,<2.1.0"'


def test_an_assertion_without_a_message_is_named_by_its_condition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a file that pytest does not rewrite, like mmcls's ResNet.
    (tmp_path / "asserting.py").write_text("def build(out_indices):\n    assert max(out_indices) < 4\n")
    monkeypatch.syspath_prepend(tmp_path)
    build = importlib.import_module("asserting").build
    with pytest.raises(LrdecayError) as raised, translate_errors(BUILDING, "config.py"):
        build((3, 4))
    assert raised.value.problem == "model does not build: AssertionError: assert max(out_indices) < 4"


def _hide(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide a package that may be installed for other tests."""
    version, importable = missing_packages._version, missing_packages._importable
    monkeypatch.setattr(missing_packages, "_version", lambda asked: None if asked == package else version(asked))
    monkeypatch.setattr(missing_packages, "_importable", lambda asked: asked != package and importable(asked))


def test_the_cause_counts_where_it_is_wrapped() -> None:
    try:
        try:
            import no_such_package  # noqa: F401
        except ImportError as error:
            raise ValueError("something else") from error
    except ValueError as error:
        need = needed_package(error)
    assert need is not None
    assert (need.package, need.installed, need.fix) == ("no_such_package", None, "pip install no_such_package")


@pytest.mark.parametrize(
    "text",
    [
        "shape mismatch",
        "No module named 'mmdet.models.no_such_module'",
        "cannot import name 'NoSuchModel' from 'transformers' (/site-packages/transformers/__init__.py)",
        "please reinstall everything",
    ],
)
def test_other_errors_need_no_package(text: str) -> None:
    assert needed_package(ImportError(text)) is None


def test_a_module_that_was_made_by_hand_is_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "made_by_hand", types.ModuleType("made_by_hand"))
    with pytest.raises(ImportError) as raised:
        importlib.import_module("made_by_hand.inner")
    need = needed_package(raised.value)
    assert need is not None
    assert (need.problem, need.fix) == ("made_by_hand is not installed", "pip install made_by_hand")


@pytest.mark.parametrize(("version", "blamed"), [("4.45.2", None), ("5.0.0", "transformers"), (None, None)])
def test_a_failing_module_is_blamed_on_its_package_only_if_too_new(
    version: str | None, blamed: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "dies_by_itself.py").write_text(
        "if __name__ == 'never':\n    import transformers\nraise TypeError('by design')\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    monkeypatch.setattr(missing_packages, "_version", {"transformers": version}.get)
    with pytest.raises(TypeError) as raised:
        importlib.import_module("dies_by_itself")
    need = needed_package(raised.value)
    assert (need and need.package) == blamed


def run(script: str) -> list[str]:
    # Skip garbage collection and the interpreter's shutdown to save time.
    prelude = f"import gc, os, sys; gc.disable(); sys.path.insert(0, {str(SAMPLES.parent)!r})\n"
    end = "\nsys.stdout.flush(); os._exit(0)\n"
    done = subprocess.run([sys.executable, "-c", prelude + script + end], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


ANSWER = """
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.domain.errors import LrdecayError
for config in {configs!r}:
    try:
        print("ok", len(audit(config).groups))
    except LrdecayError as error:
        print(error.status, "|", error.line())
"""


@pytest.mark.slow
def test_without_transformers_only_language_models_lack_it() -> None:
    """Simulate a machine without the package: its import fails, and it has no metadata."""
    configs = [
        "mmdet::glip/glip_atss_swin-t_a_fpn_dyhead_pretrain_obj365.py",
        "mmdet::grounding_dino/grounding_dino_swin-t_pretrain_obj365_goldg_cap4m.py",
        "mmpretrain::blip/blip-base_8xb32_caption.py",
        "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    ]
    hide = """
import importlib.metadata as std, importlib_metadata as backport
sys.modules["transformers"] = None
for module in (std, backport):
    def distribution(name, found=module.distribution, missing=module.PackageNotFoundError):
        if name == "transformers":
            raise missing(name)
        return found(name)
    module.distribution = distribution
"""
    *without, plain = run(hide + ANSWER.format(configs=configs))
    assert plain == "ok 1"
    for line in without:
        assert line.startswith("needs transformers | ")
        assert line.endswith(f"transformers is not installed; {TRANSFORMERS}")


@pytest.mark.slow
def test_a_transformers_that_is_too_new_is_named(tmp_path: Path) -> None:
    """Release 5 removed a name that mmdet imports; the resulting error names a class of mmdet's and None."""
    new = tmp_path / "transformers-5.0.0.dist-info"
    new.mkdir()
    (new / "METADATA").write_text("Metadata-Version: 2.1\nName: transformers\nVersion: 5.0.0\n")
    script = f"""
sys.path.insert(0, {str(tmp_path)!r})
import transformers.modeling_utils
# What release 5 has no more; mmdet catches the ImportError and makes a subclass of None.
del transformers.modeling_utils.apply_chunking_to_forward
"""
    (line,) = run(script + ANSWER.format(configs=["mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"]))
    assert line.startswith("needs transformers<4.46 | ")
    problem = "transformers 5.0.0 is installed, but does not work with the other installed packages"
    assert line.endswith(f"{problem}; {TRANSFORMERS}")


def test_setuptools_without_pkg_resources_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mmengine needs it to find ``mmdet::`` bases; setuptools 81 removed it."""
    (tmp_path / "config.py").write_text('_base_ = "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"\n')
    monkeypatch.setitem(sys.modules, "pkg_resources", None)
    with pytest.raises(LrdecayError) as raised:
        audit(str(tmp_path / "config.py"))
    assert raised.value.status == "needs setuptools<81"
    assert 'pip install "setuptools<81"' in raised.value.line()


def test_known_versions_are_those_that_the_tests_run_with() -> None:
    release = tuple(int(part) for part in importlib.metadata.version("transformers").split(".")[:2])
    assert (4, 40) <= release < (4, 46)


USER = '_base_ = "{base}"\n'
BROKEN = "mmdet::v3det/fcos_swinb_fpn_8x4_sample1e-3_mstrain_v3det_2x.py"


def test_package_faults_and_user_faults_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(LrdecayError) as raised:
        audit(BROKEN)
    assert raised.value.status == "broken upstream"
    assert (
        raised.value.fix
        == f"report to the authors of mmdet {importlib.metadata.version('mmdet')} that this unchanged config fails"
    )
    assert raised.value.problem == "model.neck.force_grad_on_level is not an option of FPN"

    (tmp_path / "config.py").write_text(USER.format(base=BROKEN))
    with pytest.raises(LrdecayError) as raised:
        audit(str(tmp_path / "config.py"))
    assert raised.value.status == "error"

    for options in (("model.neck.num_outs=nonsense",), ("model.backbone.type=NoSuchBackbone",)):
        with pytest.raises(LrdecayError) as raised:
            audit("mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py", cfg_options=options)
        assert raised.value.status == "error"
    with pytest.raises(LrdecayError) as raised:
        audit("mmdet::faster_rcnn/no_such_config.py")
    assert raised.value.status == "error"


def test_a_zoo_that_is_not_installed_is_the_users_own(tmp_path: Path) -> None:
    """A copy of a package's folder; no version of it is known to be broken."""
    from lrdecay_cli.openmmlab.failures.translate import classify_upstream_faults

    config = tmp_path / "site-packages" / "copied_zoo" / ".mim" / "configs" / "a.py"
    config.parent.mkdir(parents=True)
    config.touch()
    with pytest.raises(LrdecayError) as raised, classify_upstream_faults(str(config), (), "cpu"):
        raise LrdecayError("model does not build", where=str(config))
    assert (raised.value.status, raised.value.fix) == ("error", "")


def test_a_fork_is_named_as_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onedl-mmdetection installs the folder mmdet, and mmsegmentation the folder mmseg."""
    from lrdecay_cli.openmmlab.failures.translate import classify_upstream_faults

    site = tmp_path / "site-packages"
    config = site / "forked_zoo" / ".mim" / "configs" / "a.py"
    config.parent.mkdir(parents=True)
    config.touch()
    about = site / "onedl_forked_zoo-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: onedl-forked-zoo\nVersion: 1.2\n")
    (about / "top_level.txt").write_text("forked_zoo\n")
    monkeypatch.syspath_prepend(str(site))
    with pytest.raises(LrdecayError) as raised, classify_upstream_faults(str(config), (), "cpu"):
        raise LrdecayError("model does not build", where=str(config))
    assert raised.value.fix == "report to the authors of onedl-forked-zoo 1.2 that this unchanged config fails"


def test_a_machine_without_memory_is_not_upstreams_fault() -> None:
    from lrdecay_cli.openmmlab.failures.translate import classify_upstream_faults

    for cause in (
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        PermissionError("weights"),
    ):
        with (
            pytest.raises(LrdecayError) as raised,
            classify_upstream_faults(BROKEN, (), "cpu"),
            translate_errors(BUILDING, BROKEN),
        ):
            raise cause
        assert raised.value.status == "error"
