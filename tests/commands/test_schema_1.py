"""Maps of schema 1, as an earlier lrdecay wrote them: every command reads them like current maps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lrdecay_cli.app.shell.main import run
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.provenance import Formula
from lrdecay_cli.files import read_map, to_json, write_text
from lrdecay_cli.openmmlab.audit import audit
from tests.registries import forget

FOLDER = Path(__file__).parents[1] / "data" / "schema_1"
CONFIGS = ["convnext_mmdet", "convnext_own", "custom_keys", "vit_mmpretrain", "two_optimizers", "foreign_tensor"]
COMMANDS = {
    "inspect": ["inspect", "MAP", "-v"],
    "inspect json": ["inspect", "MAP", "--format", "json"],
    "inspect html": ["inspect", "MAP", "--format", "html"],
    "check": ["check", "MAP", "--all"],
    "check json": ["check", "MAP", "--format", "json"],
    "explain": ["explain", "MAP", "*", "-v"],
    "explain json": ["explain", "MAP", "*", "--format", "json"],
    "diff": ["diff", "MAP", "OTHER"],
    "suggest": ["suggest", "MAP"],
    "schedule": ["schedule", "MAP"],
}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(FOLDER)
    monkeypatch.syspath_prepend(str(FOLDER))
    forget("parts")
    yield
    # Other tests have a module of that name.
    forget("parts")


def of_today(name: str) -> GroupMap:
    """Return the current map of the same config, without the recorded versions and stubs, and without new facts."""
    old, new = read_map(f"{name}.json"), audit(f"{name}.py")
    unset = dict.fromkeys(("train_mode", "unused_parameters", "custom_imports"), msgspec.UNSET)
    return msgspec.structs.replace(
        new,
        tool=old.tool,
        stack=old.stack,
        distributions=msgspec.UNSET,
        stubs=old.stubs,
        constructor=msgspec.structs.replace(new.constructor, module=""),
        optimizer=msgspec.structs.replace(new.optimizer, effects={}),
        training=msgspec.structs.replace(new.training, **unset),
    )


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", CONFIGS)
def test_lifted_to_the_current_map_of_the_config(name: str) -> None:
    assert json.loads(Path(f"{name}.json").read_text())["schema_version"] == 1
    assert to_json(read_map(f"{name}.json")) == to_json(of_today(name))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", [*CONFIGS, "checkpoint"])
def test_every_command_answers_alike(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = tmp_path / f"{name}.json"
    write_text(new, to_json(read_map(f"{name}.json")))
    assert json.loads(new.read_text())["schema_version"] == 2
    other = {"MAP": f"{name}.json", "OTHER": "convnext_mmdet.json"}
    for arguments in COMMANDS.values():
        results = []
        for place in (other, {**other, "MAP": str(new)}):
            code = run([place.get(argument, argument) for argument in arguments])
            printed = capsys.readouterr()
            results.append((code, *(text.replace(str(new), f"{name}.json") for text in printed)))
        assert results[0] == results[1], arguments
    assert run(["diff", f"{name}.json", str(new)]) == 0


def test_a_checkpoint_of_several_optimizers() -> None:
    found = read_map(str(FOLDER / "checkpoint.json"))
    assert [(group.optimizer, group.named) for group in found.groups] == [("body", False), ("top", False)]
    assert found.optimizer.types == {"body": "AdamW", "top": "SGD"}


@pytest.mark.parametrize(
    ("part", "rule", "result", "fields"),
    [
        ("layer_id", "layers[0] 'a -> b' -> 3", 3, ("name", "layers[0] 'a -> b'", "3")),
        ("layer_id", "Tower.get_layer_depth -> 3", 3, ("reported", "Tower.get_layer_depth", "3")),
        ("layer_id", "everything else -> num_layers + 1", 7, ("fallback", "everything else", "num_layers + 1")),
        ("lr_scale", "custom_keys[\"it's] -> \"] -> decay_rate ** 2 * lr_mult", 0.1,
         ("custom_key", "it's] -> ", "decay_rate ** 2 * lr_mult")),
        ("lr", "base_lr * custom_keys['.norm'].lr_mult", 0.1, ("custom_key", ".norm", "base_lr * lr_mult")),
        ("lr", "base_lr * 1.0, custom_keys['x'] gives no lr_mult", 0.1, ("custom_key", "x", "base_lr * 1.0")),
        ("lr", "the optimizer's own, the config gives no lr", 0.001, ("default", "", "")),
        ("weight_decay", "base weight decay", None, ("default", "", "")),
        ("weight_decay", "1-D tensor -> 0", 0.0, ("exemption", "1-D tensor", "0")),
        ("weight_decay", "custom_keys['x'].weight_decay", 0.1, ("custom_key", "x", "weight_decay")),
    ],
)  # fmt: skip
def test_findings_of_schema_1(part: str, rule: str, result: Any, fields: tuple[str, str, str], tmp_path: Path) -> None:
    old = json.loads((FOLDER / "convnext_mmdet.json").read_text())
    first = old["groups"][0]["parameters"][0]["provenance"]
    first[part] = {"rule": rule, "formula": repr(result), "result": result, "inputs": {}}
    (tmp_path / "map.json").write_text(json.dumps(old))
    (_, parameter), *_ = read_map(str(tmp_path / "map.json")).grouped()
    found: Formula = getattr(parameter.provenance, part)
    assert (found.basis, found.cause, found.expression) == fields
    assert found.rule == rule


def test_a_duplicate_key_is_refused(tmp_path: Path) -> None:
    text = (FOLDER / "two_optimizers.json").read_text()
    (tmp_path / "map.json").write_text(text.replace('"device": "cpu"', '"device": "cpu", "device": "cpu"'))
    assert run(["inspect", str(tmp_path / "map.json")]) == 2
