"""Every failure has exit code 2, nothing on stdout, and one line on stderr with the problem, its place and the fix."""

from __future__ import annotations

import errno
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.logging import MMLogger

from lrdecay_cli.app.shell.main import run
from tests.commands.running import SAMPLES, Result, lrdecay

# Created here, because the streams of the first test that uses it are closed at the end of that test.
MMLogger.get_current_instance()

LAYER_WISE = SAMPLES / "convnext-t_layer-wise.py"
GOOD = f'_base_ = "{LAYER_WISE}"\n'
CONV = """
default_scope = "mmpretrain"
model = dict(type="mmpretrain.ImageClassifier", backbone=dict(type="mmpretrain.ConvNeXt", arch="atto"))
custom_imports = dict(imports=["mmpretrain.models"], allow_failed_imports=False)
"""
ADAMW = 'optim_wrapper = dict(optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05){})\n'
MMDET_DECAY = ', constructor="mmdet.LearningRateDecayOptimizerConstructor", paramwise_cfg=dict({})'


def decay(options: str) -> str:
    return CONV + ADAMW.format(MMDET_DECAY.format(options))


# name: (text of config.py, what the line must match)
CONFIGS = {
    "syntax error": ("model = dict(\n", r"config\.py:\d+: Python syntax error"),
    "syntax error in base": ('_base_ = "broken.py"\n', r"broken\.py:2: Python syntax error"),
    "missing base": ('_base_ = "nowhere.py"\n', r"config\.py:1: missing file \S*nowhere\.py; check _base_"),
    "no model": ("lr = 1\n", r"config has no 'model'"),
    "no optim_wrapper": (CONV, r"config has no 'optim_wrapper'"),
    "old style optimizer": (CONV + "optimizer = dict(type='SGD', lr=1)\n", r"'optimizer' is MMCV 1 style"),
    "optim_wrapper": (CONV + "optim_wrapper = [dict(type='OptimWrapper')]\n", r"optim_wrapper is a list, not a dict"),
    "optimizer": (
        CONV + "optim_wrapper = dict(optimizer='AdamW')\n",
        r"optim_wrapper\.optimizer is a str, not a dict; write optimizer=dict",
    ),
    "default_scope": (
        CONV.replace('"mmpretrain"\n', '["mmpretrain"]\n') + ADAMW.format(""),
        r"default_scope is a list, not a string",
    ),
    "endless integer": (
        GOOD + "train_cfg = dict(milestones=[1, 10**5000])\n",
        r"config\.py: train_cfg\.milestones\.1: the integer has more digits .* can write; use a smaller integer",
    ),
    "no module": (
        'model = dict(type="collections.OrderedDict", a=1)\n' + ADAMW.format(""),
        r"model does not build: TypeError: the type of the model is OrderedDict, not torch\.nn\.Module",
    ),
    "lazy module": (
        'model = dict(type="torch.nn.LazyLinear", out_features=2)\n' + ADAMW.format(""),
        r"weight belongs to a lazy module and has no shape before the model runs; use a module with a fixed input size",
    ),
    "unknown model": (
        CONV.replace('"mmpretrain.ConvNeXt"', '"mmpretrain.ConvNext"') + ADAMW.format(""),
        r"unknown model 'mmpretrain\.ConvNext' at model\.backbone\.type .*did you mean mmpretrain\.ConvNeXt\?",
    ),
    "unknown model, by the old name of its package": (
        CONV.replace('"mmpretrain.ConvNeXt"', '"mmcls.ConvNeXt"') + ADAMW.format(""),
        r"'mmcls\.ConvNeXt' at model\.backbone\.type .*; mmcls is now part of mmpretrain: write mmpretrain\.ConvNeXt",
    ),
    "optimizer without a name": (
        CONV + ADAMW.replace("AdamW", "").format(""),
        r"unknown optimizer '' at optim_wrapper\.optimizer\.type .*; check the spelling of the type",
    ),
    "unknown optimizer, in another case": (
        CONV + ADAMW.replace("AdamW", "Adamw").format(""),
        r"unknown optimizer 'Adamw' at optim_wrapper\.optimizer\.type .*did you mean AdamW\?",
    ),
    "unknown model, nothing like it": (
        CONV.replace('"mmpretrain.ConvNeXt"', '"Zzqqx"') + ADAMW.format(""),
        r"unknown model 'Zzqqx' at model\.backbone\.type .*; check the spelling of the type, and add its module to",
    ),
    "other scope": (
        CONV.replace('default_scope = "mmpretrain"', "").replace("mmpretrain.Image", "Image") + ADAMW.format(""),
        r"unknown model 'ImageClassifier'.*mmpretrain registers this type: set default_scope='mmpretrain'",
    ),
    "unknown constructor": (
        CONV + ADAMW.format(', constructor="LearningRateDecayConstructor"'),
        r"'LearningRateDecayConstructor' at optim_wrapper.*did you mean LearningRateDecayOpt",
    ),
    "mmpretrain's constructor in a detector's scope": (
        GOOD + "optim_wrapper = dict(constructor='LearningRateDecayOptimWrapperConstructor')\n",
        r"at optim_wrapper\.constructor.*the constructor belongs to mmpretrain: did you mean mmdet's "
        r"LearningRateDecayOptimizerConstructor, or mmpretrain\.LearningRateDecayOptimWrapperConstructor\?",
    ),
    "mmdet's constructor in a classifier's scope": (
        CONV + ADAMW.format(', constructor="LearningRateDecayOptimizerConstructor"'),
        r"at optim_wrapper\.constructor.*the constructor belongs to mmdet: did you mean mmpretrain's "
        r"LearningRateDecayOptimWrapperConstructor, or mmdet\.LearningRateDecayOptimizerConstructor\?",
    ),
    "mmdet's constructor under the other package's name": (
        GOOD + "optim_wrapper = dict(constructor='mmpretrain.LearningRateDecayOptimizerConstructor')\n",
        r"did you mean LearningRateDecayOptimizerConstructor\?",
    ),
    "misspelt constructor of a detector": (
        GOOD + "optim_wrapper = dict(constructor='LearningRateDecayOptimiserConstructer')\n",
        r"unknown optimizer constructor .*; did you mean LearningRateDecayOptimizerConstructor\?",
    ),
    "misspelt constructor of ours": (
        GOOD + "optim_wrapper = dict(constructor='LayerDecayOptimWrapperConstructer')\n",
        r"did you mean LayerDecayOptimWrapperConstructor, with custom_imports = .*lrdecay_cli\.training.*\?",
    ),
    "mmpretrain's constructor, of a detector": (
        GOOD + "optim_wrapper = dict(constructor='mmpretrain.LearningRateDecayOptimWrapperConstructor')\n",
        r"calls get_layer_depth, which MaskRCNN does not have; .*serves ConvNeXt: lrdecay suggest config\.py",
    ),
    "mmpretrain's constructor, of a backbone without depths": (
        CONV.replace("ConvNeXt", "MobileNetV2").replace(', arch="atto"', "")
        + ADAMW.format(
            ', constructor="LearningRateDecayOptimWrapperConstructor", paramwise_cfg=dict(layer_decay_rate=0.9)'
        ),
        r"calls get_layer_depth, which MobileNetV2 does not have; .*with its option layers, or .*custom_keys",
    ),
    "unknown wrapper in mmpretrain": (
        CONV + ADAMW.format(', type="AmpOptimWraper"'),
        r"'AmpOptimWraper' at optim_wrapper\.type .*did you mean AmpOptimWrapper\?",
    ),
    "unknown optimizer": (
        CONV + ADAMW.format("").replace("AdamW", "AdamX"),
        r"unknown optimizer 'AdamX' .*did you mean Adam",
    ),
    "unknown optimizer, like one that the console command loads late": (
        CONV + ADAMW.format("").replace("AdamW", "ZeroRedundancyOptimiser"),
        r"unknown optimizer 'ZeroRedundancyOptimiser' .*did you mean ZeroRedundancyOptimizer\?",
    ),
    "model does not build": (
        CONV.replace('arch="atto"', "depht=3") + ADAMW.format(""),
        r"model\.backbone\.depht is not an option of ConvNeXt; remove it",
    ),
    "raises when loaded": (
        "raise RuntimeError('by design')\n",
        r"config\.py:1: config does not load: RuntimeError: by design",
    ),
    "raises a syntax error": ("raise SyntaxError('by design')\n", r"config\.py:1: Python syntax error: by design"),
    "calls what it imports": (
        "from torch import nn\nmodel = nn.Linear(2, 2)\n",
        r"config does not load: an import makes the config a lazy config, .*;"
        r" call the function through __import__ in the config, or move the call into a module that the config imports",
    ),
    # lrdecay searches for the definition of the type, and finds a name that cannot be imported.
    "imports what is not there": (
        "from torch.nn import Linear\nfrom nowhere import Metric\n"
        "model = dict(type=Linear, in_features='x', out_features=1)\nval_evaluator = Metric\n" + ADAMW.format(""),
        r"model does not build in Linear: TypeError: ",
    ),
    "exits when loaded": ("import sys\nsys.exit(0)\n", r"config does not load: its code calls sys\.exit\(0\)"),
    "custom import": (
        'custom_imports = dict(imports=["no_such_plugin"])\n',
        r"custom_imports \['no_such_plugin'\]: No module named 'no_such_plugin'; .*PYTHONPATH",
    ),
    "custom import of an installed package": (
        'custom_imports = dict(imports=["mmengine.nothing_here"])\n',
        r"\['mmengine\.nothing_here'\]: No module named 'mmengine\.nothing_here'; mmengine is imported from \S+engine",
    ),
    "unknown decay_type": (
        decay("num_layers=6, decay_rate=0.7, decay_type='vit_wise'"),
        r"vit_wise.*layer_wise.*stage_wise",
    ),
    "missing num_layers": (decay("decay_rate=0.7"), r"num_layers"),
    "missing decay_rate": (decay("num_layers=6"), r"decay_rate"),
    "other backbone": (
        decay("num_layers=6, decay_rate=0.7").replace("ConvNeXt", "MobileNetV2").replace(', arch="atto"', ""),
        r"MobileNetV2.*ConvNeXt",
    ),
    "shared modules": (
        '_base_ = "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py"\n'
        "optim_wrapper = dict(paramwise_cfg=dict(bypass_duplicate=False))\n",
        r"appear in more than one parameter group.*bypass_duplicate=True",
    ),
}


def assert_one_line(result: object, pattern: str) -> None:
    assert result.out == ""
    assert result.code == 2, result.err
    assert re.fullmatch(r"lrdecay: [^\n]+\n", result.err), result.err
    assert re.search(pattern, result.err), result.err


@pytest.mark.parametrize("name", CONFIGS)
def test_config(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """In this process: a command would import torch twice, because it retries after a failure."""
    text, pattern = CONFIGS[name]
    (tmp_path / "config.py").write_text(text)
    (tmp_path / "broken.py").write_text("a = 1\nb = = 2\n")
    monkeypatch.chdir(tmp_path)
    code = run(["inspect", "config.py"])
    assert_one_line(Result(code, *capfd.readouterr()), pattern)


@pytest.mark.parametrize("option", ["a=[1,2", "a=[1,(2]", "model.backbone.depths=(3,3"])
def test_cfg_options_that_cannot_be_read(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.py").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    code = run(["inspect", "config.py", "--cfg-options", option])
    message = rf"--cfg-options: cannot read '{re.escape(option)}' \(Imbalanced brackets"
    assert_one_line(Result(code, *capfd.readouterr()), message)


USAGE = {
    "no such config": (
        ["inspect", "convnext-t_layer-wize.py"],
        r"no such config; did you mean convnext-t_layer-wise\.py\?",
    ),
    "not in zoo": (
        ["inspect", "mmdet::convnext/mask-rcnn_convnext-t.py"],
        r"not in the config zoo of mmdet; did you mean mmdet::convnext/",
    ),
    "zoo not installed": (["inspect", "mmnothing::a.py"], r"package 'mmnothing' is not installed; check the name"),
    "zoo misspelt": (["inspect", "mmdett::a.py"], r"package 'mmdett' is not installed; did you mean mmdet\?"),
    "name too long": (["inspect", "a" * 300 + ".py"], r"cannot read: File name too long"),
    "output twice": (["inspect", "a.py", "-o", "csv=x", "-o", "text=x"], r"--output: x is given twice"),
    "directory": (["inspect", "."], r"is a directory"),
    "log": (["check", "scalars.json"], r"is a log of JSON lines, not a group map; to read the logs of "),
    "suffix": (["inspect", "notes.txt"], r"a config ends in \.py"),
    "option": (["inspect", "a.py", "--fromat", "json"], r"no such option --fromat; did you mean --format\?"),
    "command": (["inspekt", "a.py"], r"no such command inspekt; did you mean inspect\?"),
    "no argument": (["inspect"], r"Missing argument 'CONFIG'"),
    "format": (["inspect", "a.py", "--format", "jsn"], r"unknown format 'jsn'; did you mean json\?"),
    "output": (["inspect", "a.py", "--output", "map.jsn"], r"'map\.jsn' is not FORMAT=PATH"),
    "output by its suffix": (["inspect", "a.py", "--output", "map.sarif"], r"--output: sarif is only for check"),
    "output format": (["inspect", "a.py", "--output", "jsn=map.json"], r"--output: unknown format 'jsn'"),
    "color": (["inspect", "a.py", "--color", "sometimes"], r"--color: unknown choice 'sometimes'"),
    "view": (["inspect", "a.py", "--by", "stage"], r"--by: unknown view 'stage'; one of group, layer"),
    "sort": (["inspect", "a.py", "--sort", "speed"], r"--sort: no column 'speed'"),
    "sort tree": (["inspect", "a.py", "--by", "module", "--sort", "lr"], r"cannot be sorted"),
    "partial JSON": (["inspect", "a.py", "--format", "json", "--filter", "x*"], r"always contains every parameter"),
    "device": (
        ["inspect", "convnext-t_layer-wise.py", "--device", "cuda:99"],
        r"no device 'cuda:99' on this machine; available: cpu, meta",
    ),
    "unknown device": (["inspect", "convnext-t_layer-wise.py", "--device", "gpu"], r"unknown device 'gpu'"),
    "cfg-options": (
        ["inspect", "convnext-t_layer-wise.py", "--cfg-options", "lr"],
        r"--cfg-options: 'lr' does not have the form key=value",
    ),
    "only": (["diff", "a.json", "b.json", "--only", "lr,weight"], r"--only: no aspect 'weight'.*weight_decay"),
    "only twice": (["diff", "a.json", "b.json", "--only", "lr", "--only", "nothing"], r"--only: no aspect 'nothing'"),
    "rtol": (["diff", "a.json", "b.json", "--rtol", "-1"], r"--rtol"),
    "missing map": (["diff", "a.json", "b.json"], r"a\.json: no such file"),
    "stdin empty": (
        ["check", "-"],
        r"stdin is empty; pipe a map into lrdecay: lrdecay inspect CONFIG --format json",
    ),
    "stdin twice": (["diff", "-", "-"], r"stdin can be read only once"),
}


@pytest.mark.parametrize("name", USAGE)
def test_usage(name: str, tmp_path: Path) -> None:
    arguments, pattern = USAGE[name]
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "scalars.json").write_text('{"lr": 1e-4, "step": 1}\n{"lr": 1e-4, "step": 2}\n')
    (tmp_path / LAYER_WISE.name).write_text(GOOD)
    assert_one_line(lrdecay(*arguments, cwd=tmp_path), pattern)


def test_filter_that_matches_nothing() -> None:
    result = lrdecay("inspect", LAYER_WISE, "--filter", "backbon.*")
    assert_one_line(result, r"--filter: no parameter or group matches 'backbon\.\*'; did you mean backbone\?")


def test_traceback_is_shown_on_request(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("raise RuntimeError('by design')\n")
    for arguments, environment in ((["--traceback"], {}), ([], {"LRDECAY_TRACEBACK": "1"})):
        result = lrdecay("inspect", tmp_path / "config.py", *arguments, **environment)
        assert "Traceback (most recent call last)" in result.err
        assert result.code == 2


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    result = lrdecay("inspect", LAYER_WISE, "--output", f"json={tmp_path}/no/folder/map.json")
    assert_one_line(result, r"no/folder/map\.json: cannot write: No such file or directory")


def test_output_of_a_config_does_not_reach_stdout(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(
        f"{GOOD}import os\nprint('from python')\nos.write(1, b'from the system\\n')\n"
        "os.system('echo from a child')\ndel os\n"
    )
    result = lrdecay("inspect", tmp_path / "config.py", "--format", "json")
    assert json.loads(result.out)["model"]["type"] == "MaskRCNN"
    for line in ("from python", "from the system", "from a child"):
        assert line in result.err


@pytest.mark.parametrize(
    ("redirection", "message"), [(">&-", "stdout is closed"), ("> /dev/full", "stdout: cannot write: No space")]
)
def test_stdout_that_cannot_be_written(redirection: str, message: str) -> None:
    command = f"{sys.executable} -m lrdecay_cli schema {redirection}"
    done = subprocess.run(
        command, shell=True, cwd=LAYER_WISE.parent.parent, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert message in done.stderr


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (RuntimeError("by\ndesign"), 2, "internal error: RuntimeError: by design; please report it with the output"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "cannot write: No space left on device"),
        (PermissionError(errno.EPERM, "not ours"), 2, "internal error: PermissionError: [Errno 1] not ours"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=repr,
)
def test_every_exception_is_one_line(
    raised: BaseException, code: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise raised

    monkeypatch.setattr("lrdecay_cli.app.requests.sources.group_maps_of", broken)
    assert run(["inspect", "a.json"]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"lrdecay: {message}")


def test_no_command_shows_the_help() -> None:
    result = lrdecay()
    assert (result.code, result.out) == (2, "")
    assert result.err.strip() == lrdecay("--help").out.strip()
