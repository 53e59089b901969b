"""Numbered damage to real zoo configs, as users, merges, scripts or attackers cause it in training configs."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

ZOO = (
    "mmdet::convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py",
    "mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py",
    "mmdet::detr/detr_r50_8xb2-150e_coco.py",
    "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py",
    "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py",
    "mmpretrain::convnext_v2/convnext-v2-atto_32xb32_in1k.py",
    "mmpretrain::swin_transformer/swin-tiny_16xb64_in1k.py",
    "mmpretrain::beit/benchmarks/beit-base-p16_8xb128-coslr-100e_in1k.py",
    "mmpretrain::mobilenet_v2/mobilenet-v2_8xb32_in1k.py",
)
KEPT = ("default_scope", "custom_imports", "model", "optim_wrapper", "param_scheduler", "train_cfg", "custom_hooks")
"""The parts of a real config that a mutated config keeps: all sources of its parameter groups."""


class Written(str):
    """A value as Python source, for values without a literal."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 3, 1.5, -0.0, 2**31, 2**63, 10**400, 1e308, 5e-324, -1e-9, "", "x", "1", " ", "\0",
    "\x1b[2J\x1b]0;x\a", "\u202egpj", "[bold]", "[/]", "</script>", "\n\n", "\r\nlrdecay: fine", "a" * 5000, "é" * 90,
    [], {}, (), [[]], [None], {"a": 1}, [1, "2", 3.0], {"": ""}, {1: 2}, {None: None}, [0] * 50, {"type": None},
    {"type": "nn.Linear"}, {"type": 3}, {"type": "os.system"}, {"_delete_": True}, {"_scope_": "nowhere"}, b"bytes",
    Written("float('nan')"), Written("float('inf')"), Written("'\\ud800'"), Written("print"), Written("dict"),
    Written("object()"), Written("{1, 2}"), Written("1j"), Written("lambda *_: 1 / 0"), Written("range(3)"),
    Written("type"), Written("..."), Written("iter(())"), "{{ fileDirname }}", "{{_base_.model}}", "${oc.env:HOME}",
)  # fmt: skip
TYPES = (
    "ConvNeXt", "mmpretrain.ConvNeXt", "ResNet", "SwinTransformer", "MaskRCNN", "nowhere.ResNet", "mmdet.mmdet.ResNet",
    "FPN", "torch.nn.Linear", "mmengine.model.BaseModule", "", "..", "ReLU", "AdamW", "Adafactor", "LN", "None",
)  # fmt: skip
OPTIMIZERS: tuple[dict[str, Any], ...] = (
    {"type": "SGD", "lr": 0.1}, {"type": "AdamW"}, {"type": "LBFGS", "lr": 1.0}, {"type": "SparseAdam", "lr": 1e-3},
    {"type": "Adam", "lr": -1.0}, {"type": "Rprop", "lr": 0.1}, {"type": "Adafactor"}, {"lr": 0.1}, {"type": "ZeRO"},
    {"type": "SGD", "lr": "0.1"}, {"type": "SGD", "lr": 0.1, "foreach": True, "fused": True}, {"type": "ASGD"},
    {"type": "AdamW", "lr": Written("float('nan')"), "weight_decay": Written("float('inf')")},
    {"type": "AdamW", "lr": 10**400}, {"type": "AdamW", "lr": 1e-3, "params": []}, {"type": "Lion", "lr": 1e-4},
    {"type": "AdamW", "lr": Written("__import__('torch').tensor(0.1)"), "betas": [0.9]},
    {"type": "AdamW", "lr": 1e-4, "weight_decay": None}, {"type": "AdamW", "lr": True, "weight_decay": False},
)  # fmt: skip
CONSTRUCTORS = (
    "DefaultOptimWrapperConstructor", "LearningRateDecayOptimizerConstructor", "mmdet.NoSuchConstructor", "", 3, None,
    "mmdet.LearningRateDecayOptimizerConstructor", "mmpretrain.LearningRateDecayOptimWrapperConstructor", "AdamW",
    "LayerDecayOptimWrapperConstructor", Written("dict"), Written("lambda *a: None"), ["a"], {"type": "x"},
)  # fmt: skip
PARAMWISE: tuple[Any, ...] = (
    3, "x", [], [1], {"custom_keys": 3}, {"custom_keys": []}, {"custom_keys": {"backbone": 3}},
    {"custom_keys": {"": {"lr_mult": 0.1}}}, {"custom_keys": {1: {"lr_mult": 0.1}}}, {"custom_keys": {None: {}}},
    {"custom_keys": {"backbone": {"lr_mult": "x"}}}, {"custom_keys": {"backbone": {"lr_mult": [1]}}},
    {"custom_keys": {"backbone": {"lr_mult": Written("float('nan')")}}}, {"custom_keys": {"b" * 9000: {}}},
    {"custom_keys": {"\x1b[31m\n": {"decay_multi": 0.0}}}, {"custom_keys": {"norm": {"lr_mult": 10**400}}},
    {"custom_keys": {f"key{n}": {"lr_mult": n} for n in range(300)}}, {"bias_lr_mult": None}, {"norm_decay_mult": "0"},
    {"custom_keys": {"backbone": {"lr_mult": 0, "decay_mult": 0}}, "bypass_duplicate": "yes"}, {"unknown": {}},
    {"decay_rate": 0.7, "decay_type": "layer_wise", "num_layers": n} if (n := 10**12) else None,
    {"decay_rate": 0.7, "decay_type": "stage_wise", "num_layers": -3}, {"decay_rate": 0, "num_layers": 12},
    {"decay_rate": -0.7, "decay_type": "layer_wise", "num_layers": 6}, {"decay_rate": 0.7, "num_layers": 2.5},
    {"decay_rate": "0.7", "decay_type": "layer_wise", "num_layers": 6}, {"decay_type": "vit_wise", "num_layers": 6},
    {"decay_rate": 1e300, "decay_type": "layer_wise", "num_layers": 12}, {"num_layers": True, "decay_rate": True},
    {"decay_rate": Written("float('nan')"), "decay_type": "layer_wise", "num_layers": 6}, {"layer_decay_rate": 0.0},
    {"decay_rate": 0.7, "decay_type": None, "num_layers": "12"}, {"layer_decay_rate": "x"}, {"flat_decay_mult": None},
    {"layer_decay_rate": 2, "norm_decay_mult": 5, "custom_keys": {"x": {"decay_mult": 1e308}}}, Written("object()"),
)  # fmt: skip
BASES: tuple[Any, ...] = (
    "{own}", ["{own}"], "{other}", "nowhere.py", "", ".", "/", "..", "~/x.py", "/dev/null", "/proc/self/mem", 3, None,
    [], [[]], [3], {}, "mmdet::nowhere.py", "nopackage::x.py", "::", "mmdet::", "http://127.0.0.1:9/x.py", "\0", "a\nb",
    "mmdet::../../../__init__.py", "{zoo}.bak", ["{zoo}", "{zoo}"], "{zoo}#", "x" * 5000, "{folder}", "{zoo}\x1b[2J",
    ["mmdet::_base_/models/mask-rcnn_r50_fpn.py", "mmdet::_base_/models/retinanet_r50_fpn.py"],
)  # fmt: skip
SOURCE = (
    "model = = 3", "import os\nimport os.path as nothing", "def f(:", "\x00", "\ufeffmodel = dict()", "model: int",
    "x = [" * 300, "raise KeyError", "raise SystemExit", "raise BaseException('\\n\\n')",
    "raise type('E', (Exception,), dict(__str__=lambda s: 1))", "import no_such_module_anywhere", "del model",
    "model = locals()", "exec('model = 1')", "def model(): pass", "class model: pass", "model = optim_wrapper = model",
    "model['model'] = model", "optim_wrapper['paramwise_cfg'] = dict(custom_keys=optim_wrapper)", "from . import x",
    "raise RecursionError", "f = lambda: f()\nf()", "with read_base():\n    from .nothing import *", "assert False",
    "raise UnicodeDecodeError('utf-8', b'x', 0, 1, 'bad')", "raise MemoryError", "1 / 0",
    "\tmodel = 3", "# coding: rot13", "raise ExceptionGroup('a', [ValueError(1)])", "async def f():\n    await f()",
    "_base_ = _base_", "_base_.model = 3",
    "model = dict(type=type(str('x'), (), {{}}))", "import torch; model = torch.nn.Module()", "yield 3", "return",
    "model = type('D', (dict,), dict(__getitem__=lambda s, k: 1 / 0))(model)", "_delete_ = True", "__class__ = 3",
)  # fmt: skip
ENCODED = (b"\xff\xfe", b"\xef\xbb\xbf", b"# -*- coding: no-such-codec -*-\n", b"x = '\xe9'\n", b"\r\r\n", b"x = 1\0\n")


def mutated(number: int, configs: dict[str, dict[str, Any]], folder: str) -> tuple[bytes, str]:
    """Write the damaged config with this number, and return a description of the damage.

    Args:
        number: seed of the damage.
        configs: keys in KEPT of each config in ZOO.
        folder: folder of the damaged file, ``config_NUMBER.py``.
    """
    draw = random.Random(number)
    name = ZOO[number % len(ZOO)]
    config = copy.deepcopy(configs[name])
    kind = KINDS[number % len(KINDS)]
    if kind is based:
        return based(draw, name, {"own": f"config_{number}.py", "other": f"config_{number + 1}.py", "folder": folder})
    change = kind(draw, config)
    text = "".join(f"{key} = {value!r}\n" for key, value in config.items())
    if kind is written:
        change = draw.choice(SOURCE)
        text = draw.choice((f"{text}{change}\n", f"{change}\n{text}"))
    raw = text.encode("utf-8", "surrogatepass")
    if kind is encoded:
        odd = draw.choice(ENCODED)
        at = draw.choice((0, 0, len(raw)))
        raw, change = raw[:at] + odd + raw[at:], f"{odd!r} at {at}"
    return raw, f"{name}: {kind.__name__} {change}"


def values(draw: random.Random, config: dict[str, Any]) -> str:
    """Change, remove, rename, move or wrap one to three values anywhere."""
    done = []
    for _ in range(draw.randint(1, 3)):
        place, path = _place(draw, config)
        key = draw.choice(list(place) if isinstance(place, dict) else range(len(place)))
        action = draw.choice(("set", "set", "set", "remove", "rename", "swap", "wrap", "scale"))
        done.append(f"{action} {path}{key}")
        old = place[key]
        if action == "remove":
            del place[key]
        elif action == "rename" and isinstance(place, dict):
            place[draw.choice(("tpye", "_delete_", "type", f"{key}s", "", "_scope_", "init_cfg"))] = place.pop(key)
        elif action == "swap":
            other, _ = _place(draw, config)
            place[key] = copy.deepcopy(other)
        elif action == "wrap":
            place[key] = draw.choice(([old], {"type": old}, (old, old), {"_delete_": True, "type": old}))
        elif action == "scale" and isinstance(old, (int, float)):
            place[key] = draw.choice((old * 1000, -old, old * 1e300 if old else 1, old / 7, 10**9))
        else:
            place[key] = draw.choice(ODD_VALUES)
            done.append(repr(place[key])[:60])
    return ", ".join(done)


def types(draw: random.Random, config: dict[str, Any]) -> str:
    """Replace a type."""
    for _ in range(200):
        place, path = _place(draw, config)
        if isinstance(place, dict) and "type" in place:
            place["type"] = draw.choice(TYPES)
            return f"{path}type {place['type']}"
    return "nothing"


def optimizers(draw: random.Random, config: dict[str, Any]) -> str:
    """Replace the optimizer, and sometimes the constructor."""
    config["optim_wrapper"]["optimizer"] = dict(draw.choice(OPTIMIZERS))
    return f"{config['optim_wrapper']['optimizer']} {constructors(draw, config) if draw.random() < 0.5 else ''}"


def constructors(draw: random.Random, config: dict[str, Any]) -> str:
    """Replace the constructor and keep the options."""
    config["optim_wrapper"]["constructor"] = draw.choice(CONSTRUCTORS)
    return repr(config["optim_wrapper"]["constructor"])


def paramwise(draw: random.Random, config: dict[str, Any]) -> str:
    """Set options with unusual values for the same constructor, or for another."""
    odd = draw.choice(PARAMWISE)
    config["optim_wrapper"]["paramwise_cfg"] = odd
    known = draw.choice((None, *CONSTRUCTORS[:2], *CONSTRUCTORS[6:8], CONSTRUCTORS[9]))
    if known:
        config["optim_wrapper"]["constructor"] = known
        config["custom_imports"] = {"imports": ["lrdecay_cli.training"], "allow_failed_imports": False}
    return f"{odd!r:.200} {known}"


def nested(draw: random.Random, config: dict[str, Any]) -> str:
    """Nest a value very deeply, or make it very wide."""
    place, path = _place(draw, config)
    key = draw.choice(list(place) if isinstance(place, dict) else range(len(place)))
    deep, wide = draw.choice(((20, 3), (90, 1), (1, 20000)))
    value: Any = {str(n): n for n in range(wide)}
    for _ in range(deep):
        value = draw.choice(({"a": value}, [value], {"type": value}))
    place[key] = value
    return f"{path}{key} {deep} deep, {wide} wide"


def written(draw: random.Random, config: dict[str, Any]) -> str:
    """Add a line of Python before or after the text; see :func:`mutated`."""
    return ""


def encoded(draw: random.Random, config: dict[str, Any]) -> str:
    """Insert bytes that are unexpected in a config; see :func:`mutated`."""
    return ""


def based(draw: random.Random, name: str, names: dict[str, str]) -> tuple[bytes, str]:
    """Use an invalid ``_base_``, or a valid one with invalid overrides."""
    odd = draw.choice(BASES)
    over: dict[str, Any] = {}
    if draw.random() < 0.5:
        odd = name
        for _ in range(draw.randint(1, 3)):
            key = draw.choice(("model", "optim_wrapper", "optim_wrapper.optimizer", "model.backbone", "default_scope"))
            place = over
            *above, last = key.split(".")
            for part in above:
                place = place.setdefault(part, {}) if isinstance(place.get(part, {}), dict) else {}
            place[last] = draw.choice(({"_delete_": True}, {"_delete_": 3}, *ODD_VALUES))
    base = repr(odd)
    for key, value in {**names, "zoo": name}.items():
        base = base.replace("{" + key + "}", value)
    text = f"_base_ = {base}\n" + "".join(f"{key} = {value!r}\n" for key, value in over.items())
    return text.encode("utf-8", "surrogatepass"), f"based {text!r:.300}"


KINDS: tuple[Callable[..., Any], ...] = (
    values, paramwise, based, values, optimizers, written, values, types, constructors, nested, encoded,
)  # fmt: skip
"""Types of damage, in turn. Their number and that of ZOO have no common divisor, so each type meets each config."""


def _place(draw: random.Random, config: dict[str, Any]) -> tuple[Any, str]:
    """Return a non-empty container in the model or its optimizer, and its path."""
    top = draw.choice([key for key in ("model", "optim_wrapper", "optim_wrapper") if isinstance(config.get(key), dict)])
    place, path = config[top], f"{top}."
    while True:
        below = [key for key in _keys(place) if isinstance(place[key], (dict, list)) and place[key]]
        if not below or draw.random() < 0.3:
            return (place, path) if place else (config, "")
        key = draw.choice(below)
        place, path = place[key], f"{path}{key}."


def _keys(place: Any) -> list[Any]:
    return list(place) if isinstance(place, dict) else list(range(len(place)))
