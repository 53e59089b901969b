"""Fixes in copies of MMDetection's configs: numbered faults that are inserted and fixed, and findings of rules.

A sample of configs; all with ``--whole-zoo``.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import difflib
import io
import random
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from mmengine.config import Config

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.domain.fix import Edit, EditError, Fix, apply_edits, delete_option, rename_option, set_option
from lrdecay_cli.domain.origins import Option
from lrdecay_cli.fixing.merged import Refused
from lrdecay_cli.fixing.planning import Planner
from lrdecay_cli.fixing.project import Project
from lrdecay_cli.origins import config_origins
from tests.openmmlab.zoo import LARGE
from tests.rules.zoo import FOUND, built_rows, configs

MUTATED = 200
SAMPLE = 8
EDITED = ("optim_wrapper", "param_scheduler", "train_cfg", "auto_scale_lr", "default_hooks", "model_wrapper_cfg")
"""Options that the fixes of rules change."""
FIXED = ("LRD401", "LRD403", "LRD505", "LRD506", "LRD507", "LRD512", "LRD606")
"""Rules with fixes that have findings above info in the zoo."""
REFUSED = {("maskformer/maskformer_swin-l-p4-w12_64xb1-ms-300e_coco.py", "LRD506")}
"""With the key that exempts them, the norms of its stages would train at the head's lr, which LRD201 reports."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    whole = metafunc.config.getoption("--whole-zoo")
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", range(MUTATED if whole else SAMPLE))
    if "fault" in metafunc.fixturenames:
        numbers = range(MUTATED if whole else len(FAULTS))
        metafunc.parametrize("fault", numbers)
    if "found" in metafunc.fixturenames:
        rows = [
            (config.removeprefix("mmdet::"), code)
            for config, code, severity, _ in FOUND.rows()
            if code in FIXED and severity != "info" and config.startswith("mmdet::")
        ]
        metafunc.parametrize("found", rows if whole else smallest(rows))


def smallest(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """For each rule, the smallest model with a finding."""
    sizes = {row.config: int(row.tensors) * int(row.groups) for row in built_rows()}
    by_code = {code: sorted((sizes[f"mmdet::{name}"], name) for name, found in rows if found == code) for code in FIXED}
    return [(found[0][1], code) for code, found in by_code.items() if found]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = find_spec("mmdet")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = tmp_path_factory.mktemp("project") / "configs"
    shutil.copytree(Path(spec.submodule_search_locations[0]) / ".mim/configs", folder)
    return folder


@pytest.fixture
def restored(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the zoo as the working directory; files that a test changes are restored."""
    monkeypatch.chdir(zoo)
    texts: dict[Path, bytes] = {}
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        texts.setdefault(Path(target), Path(target).read_bytes())
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    yield zoo
    for path, text in texts.items():
        path.write_bytes(text)


def own_options(config: str) -> list[Option]:
    """Return the options that the config itself sets with literals."""
    return [
        option
        for option in config_origins(config).options()
        if option.keys[0] in EDITED
        and option.origin.constant
        and option.origin.place.file == config
        and option.origin.key
    ]


def edit_by(draw: random.Random, option: Option) -> Edit:
    match draw.choice(("set", "delete", "rename", "add")):
        case "set":
            return set_option(option.keys, draw.choice((7, 0.125, "edited", [1, 2])))
        case "delete":
            return delete_option(option.keys)
        case "rename":
            return rename_option(option.keys, "renamed")
    return set_option((*option.keys[:-1], "added"), {"a": draw.random()})


def test_an_edit_of_a_zoo_config(number: int, restored: Path) -> None:
    """Assert that mmengine loads the old config with the edit, and that all other lines are the same bytes."""
    draw = random.Random(number)
    options: list[Option] = []
    while not options:
        config = draw.choice(configs()).removeprefix("mmdet::")
        options = own_options(config)
    option = draw.choice(options)
    edit = edit_by(draw, option)
    file = restored / config
    before, text = Config.fromfile(config).to_dict(), file.read_text()
    expected = copy.deepcopy(before)
    planner = Planner({config: [Fix(edits=(edit,))]}, Project(restored))
    try:
        apply_edits(expected, [edit])
        planner.fix(config, Fix(edits=(edit,)))
    except EditError:
        return  # an entry of a tuple
    except Refused:
        if option.origin.via:
            return  # a variable that is used elsewhere, too
        raise
    (changed,) = planner.changed.items()
    assert changed[0] == file.resolve()
    ast.parse(changed[1])
    file.write_text(changed[1])
    try:
        after = Config.fromfile(config).to_dict()
    finally:
        file.write_text(text)
    names = {via.name for option in config_origins(config).options() for via in option.origin.via}
    assert {key for key in {*after, *expected} if after.get(key) != expected.get(key)} <= names - {edit.keys[0]}
    lines = [text.splitlines(keepends=True), changed[1].splitlines(keepends=True)]
    blocks = [
        block for block in difflib.SequenceMatcher(None, *lines, autojunk=False).get_opcodes() if block[0] != "equal"
    ]
    # One changed region; two if a comma is added after the last entry, or if a list or a base's dict is repeated.
    assert len(blocks) <= 2, "".join(difflib.unified_diff(*lines))


FAULTS = (
    ("LRD503", set_option("optim_wrapper.paramwise_cfg.norm_decay_mul", 0.0)),
    ("LRD504", set_option("optim_wrapper.paramwise_cfg.custom_keys.backbone", {"lr_mul": 0.1})),
    ("LRD505", set_option("optim_wrapper.paramwise_cfg.custom_keys['.backbone']", {"lr_mult": 0.1})),
    ("LRD512", rename_option("train_cfg.max_epochs", "max_epoch")),
)
"""Typical mistakes, by the rule that reports them."""


def checked(*arguments: str) -> tuple[int, str]:
    output = io.StringIO()
    with (
        contextlib.redirect_stderr(output),
        contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")),
    ):
        code = run(["check", *arguments, "--device", "meta", "--no-settings", "--fail-on", "warning"])
    return code, output.getvalue()


def test_a_fault_of_a_zoo_config_is_fixed(
    fault: int, restored: Path, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> None:
    """The file has its former text, except for the corrected entry."""
    draw = random.Random(fault)
    code, edit = FAULTS[fault % len(FAULTS)]
    whole = pytestconfig.getoption("--whole-zoo")
    names = [row.config for row in built_rows() if whole or int(row.tensors) <= LARGE]
    config = ""
    while not config:
        name = draw.choice(names).removeprefix("mmdet::")
        planner = Planner({name: [Fix(edits=(edit,))]}, Project(restored))
        with contextlib.suppress(Refused):
            planner.fix(name, Fix(edits=(edit,)))
            config = name if [*planner.changed] == [(restored / name).resolve()] else ""
    file = restored / config
    original, wrong = file.read_text(), planner.changed[file.resolve()]
    file.write_text(wrong)
    try:
        result, output = checked(config, "--fix", "--select", code)
        fixed = file.read_text()
    finally:
        file.write_text(original)
    if "not fixed: " in output or f"fixed {code}" not in output:
        # Another constructor, or a key that this type of config may not have.
        assert fixed == wrong
        record_property("left", output)
        return
    assert (result, "Traceback" in output) == (0, False), output
    ast.parse(fixed)
    lines = [each.splitlines(keepends=True) for each in (wrong, fixed)]
    removed = [line for line in difflib.ndiff(*lines) if line.startswith("- ")]
    assert len(removed) <= 2, output


def test_findings_of_the_zoo_are_fixed(found: tuple[str, str], restored: Path) -> None:
    config, code = found
    result, output = checked(config, "--fix")
    assert result in (0, 1), output
    fixed = f"fixed {code} of {config}: " in output.replace("not fixed", "refused")
    assert fixed != (found in REFUSED), output
