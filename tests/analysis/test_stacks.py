"""The cause that ``diff`` names for two different maps: the config, or the packages with which the maps were made."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lrdecay_cli.analysis.comparing.report import comparison
from lrdecay_cli.domain.group_map import ConfigSource, GroupMap
from lrdecay_cli.domain.stack import Distribution, PackageChange
from tests.group_maps import group_map

OFFICIAL = Distribution("mmdet", "3.3.0")
FORK = Distribution("onedl-mmdetection", "3.5.1")
SAME_VERSION = Distribution("mmdet-open", "3.3.0")
MINE, ZOO = "configs/mine.py", "mmdet::dino/dino-5scale_swin-l_8xb2-36e_coco.py"


def made(lr: float, mmdet: Distribution, path: str = MINE, text: str = "0", **overrides: Any) -> GroupMap:
    return group_map(
        {"decay": {"lr": lr, "parameters": {"w": (8, 3)}}},
        stack={"mmdet": mmdet.version, "torch": "2.13.0"},
        distributions={"mmdet": mmdet},
        config=ConfigSource(path, text * 64, overrides),
    )


# A second map, compared with one of OFFICIAL at lr 0.1 with the same config path; the path; and the cause.
CASES: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "stack": (dict(lr=0.2, mmdet=FORK), MINE, "stack"),
    "fork of the same version": (dict(lr=0.2, mmdet=SAME_VERSION), MINE, "stack"),
    "zoo": (dict(lr=0.2, mmdet=FORK, text="1"), ZOO, "zoo"),
    "zoo and an override": (dict(lr=0.2, mmdet=FORK, text="1", max_iters=9), ZOO, "config or stack"),
    "either": (dict(lr=0.2, mmdet=FORK, text="1"), MINE, "config or stack"),
    "config": (dict(lr=0.2, mmdet=OFFICIAL, text="1"), MINE, "config"),
    "neither": (dict(lr=0.2, mmdet=OFFICIAL), MINE, None),
    "no difference": (dict(lr=0.1, mmdet=FORK), MINE, None),
}


@pytest.mark.parametrize(("second", "path", "expected"), CASES.values(), ids=CASES)
def test_cause(second: dict[str, Any], path: str, expected: str | None) -> None:
    result = comparison(made(0.1, OFFICIAL, path), made(path=path, **second))
    document = result.document
    assert document.cause == expected
    moved = second["mmdet"] != OFFICIAL
    assert document.packages == ((PackageChange("mmdet", OFFICIAL, second["mmdet"]),) if moved else ())
    assert dict(result.report.facts).get("stack") == (f"mmdet 3.3.0 → {second['mmdet']}" if moved else None)
    assert any("packages" in note.text for note in result.report.notes) == (moved and expected is not None)


def test_maps_that_name_no_distribution() -> None:
    """Maps of older lrdecay versions, without distributions, are compared by version."""
    old, same, newer = (
        msgspec.structs.replace(made(0.1, of), distributions=msgspec.UNSET) for of in (OFFICIAL, SAME_VERSION, FORK)
    )
    fork = made(0.1, FORK)
    assert comparison(old, same).document.packages == ()
    assert comparison(made(0.1, SAME_VERSION), old).document.packages == ()
    assert comparison(old, fork).document.packages == (PackageChange("mmdet", OFFICIAL, FORK),)
    assert comparison(newer, old).document.packages == (
        PackageChange("mmdet", Distribution("mmdet", "3.5.1"), OFFICIAL),
    )


def test_packages_of_one_model_are_not_a_stack_change() -> None:
    alone = msgspec.structs.replace(made(0.2, OFFICIAL, text="1"), stack={"mmdet": "3.3.0", "mmpretrain": "1.2.0"})
    document = comparison(made(0.1, OFFICIAL), alone).document
    assert (document.packages, document.cause) == ((), "config")


def test_distributions_of_a_map_are_kept() -> None:
    again = msgspec.json.decode(msgspec.json.encode(made(0.1, FORK)), type=GroupMap)
    assert again.distributions == {"mmdet": FORK}
