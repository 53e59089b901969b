"""Places of the settings that differ between the maps of two configs, and of explained settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from lrdecay_cli.analysis.comparing.report import comparison
from lrdecay_cli.analysis.explaining.report import explanation
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.origins import ConfigOrigins, config_origins, known_origins
from tests.checking.maps import decay_map

BASE = """optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-4),
    paramwise_cfg=dict(num_layers=6, custom_keys={'bn': dict(lr_mult=0.1), 'head': dict(lr_mult=2.0)}))
"""
CHILD = "_base_ = 'base.py'\nlayers = 7\noptim_wrapper = dict(paramwise_cfg=dict(num_layers=layers))\n"
KEYS = "_base_ = 'base.py'\noptim_wrapper = dict(paramwise_cfg=dict(custom_keys={'head': dict(\n    lr_mult=5.0)}))\n"


@pytest.fixture
def origins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConfigOrigins:
    for name, text in (("base.py", BASE), ("child.py", CHILD), ("keys.py", KEYS)):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return config_origins("base.py")


def with_options(config: str, **options: object) -> GroupMap:
    """Return a map whose constructor has these options."""
    given = decay_map(config=config)
    return replace(given, constructor=replace(given.constructor, options=options))


def test_bases_lead_from_a_file_to_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place contains the name of the file, in either style and in a zoo."""
    files = {
        "config.py": "_base_ = [\n    'base/two.py']\n",
        "base/two.py": "_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'\n",
        "lazy.py": "from mmengine.config import read_base\nwith read_base():\n    from .one import *\n",
        "one.py": "from mmengine.config import read_base\nwith read_base():\n    from .other import x\n",
        "other.py": "x = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    for config, file, bases in (
        ("config.py", "base/two.py", ["config.py:2:5"]),
        ("config.py", "config.py", []),
        ("lazy.py", "other.py", ["one.py:3:5", "lazy.py:3:5"]),
        (
            "config.py",
            "mmdet::_base_/schedules/schedule_1x.py",
            ["mmdet::retinanet/retinanet_r50_fpn_1x_coco.py:4:5", "base/two.py:1:10", "config.py:2:5"],
        ),
    ):
        assert [place.exact() for place in config_origins(config).bases_to(file)] == bases


NORM = {"bn": {"lr_mult": 0.1}, "head": {"lr_mult": 2.0}}


@pytest.mark.parametrize(
    ("config", "options", "fact", "place"),
    [
        ("child.py", {"num_layers": 7, "custom_keys": NORM}, ("num_layers", "6 → 7, child.py:2"), "child.py:2"),
        (
            "keys.py",
            {"num_layers": 6, "custom_keys": {**NORM, "head": {"lr_mult": 5.0}}},
            (
                "custom_keys",
                "bn={'lr_mult': 0.1}, head={'lr_mult': 2.0} → bn={'lr_mult': 0.1}, head={'lr_mult': 5.0}, keys.py:3",
            ),
            "keys.py:3",
        ),
        # The map has another value: another lrdecay, or other --cfg-options, made the map.
        ("child.py", {"num_layers": 8, "custom_keys": NORM}, ("num_layers", "6 → 8, base.py:3"), None),
    ],
)
def test_a_difference_names_its_place(
    config: str, options: dict[str, object], fact: tuple[str, str], place: str | None, origins: ConfigOrigins
) -> None:
    before, after = with_options("base.py", num_layers=6, custom_keys=NORM), with_options(config, **options)
    result = comparison(before, after, origins=(origins, known_origins(config)))
    (setting,) = result.document.settings
    assert (f"constructor.options.{fact[0]}", fact[1]) in result.report.facts
    assert (str(setting.after_option.origin.place) if setting.after_option else None) == place
    assert setting.before_option is not UNSET
    assert str(setting.before_option.origin.place) == "base.py:3"


def test_maps_alone_have_no_places(origins: ConfigOrigins) -> None:
    before, after = with_options("base.py", num_layers=6), with_options("child.py", num_layers=7)
    (setting,) = comparison(before, after).document.settings
    assert (setting.before_option, setting.after_option) == (UNSET, UNSET)


def test_effective_options_are_listed(origins: ConfigOrigins) -> None:
    group_map = with_options("base.py", num_layers=6, custom_keys=NORM)
    options = explanation(group_map, ["*"], origins=origins, verbose=True).document.options
    assert options is not UNSET
    assert [(option.keys[-1], str(option.origin.place)) for option in options] == [
        ("lr", "base.py:2"),
        ("num_layers", "base.py:3"),
        ("lr_mult", "base.py:3"),
        ("lr_mult", "base.py:3"),
    ]
    assert explanation(group_map, ["*"]).document.options is UNSET
