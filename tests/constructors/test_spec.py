"""Facts about constructors that are known without torch: one spec for each; no other module contains their names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lrdecay_cli
from lrdecay_cli.constructors import CONSTRUCTORS, DEFAULT, OURS, constructor_of, find_constructor
from lrdecay_cli.constructors.spec import UnknownConstructor
from lrdecay_cli.decay.constructor_options import ELSEWHERE
from lrdecay_cli.domain.training import Constructor, Training
from tests.constructors.names import LRDECAY_LAYER_DECAY, MMDET_LAYER_DECAY, MMENGINE_DEFAULT, MMPRETRAIN_LAYER_DECAY
from tests.group_maps import group_map

NAMES = (MMENGINE_DEFAULT, MMDET_LAYER_DECAY, MMPRETRAIN_LAYER_DECAY, LRDECAY_LAYER_DECAY)


def test_every_constructor_has_one_spec() -> None:
    assert {*NAMES} <= {spec.name for spec in CONSTRUCTORS}
    assert len({(spec.name, spec.package) for spec in CONSTRUCTORS}) == len(CONSTRUCTORS)
    assert (DEFAULT.name, OURS.name) == (MMENGINE_DEFAULT, LRDECAY_LAYER_DECAY)


def test_class_names_occur_only_in_their_specs() -> None:
    """A new constructor is one file: no other module contains its name, not even in a comment."""
    package = Path(lrdecay_cli.__file__).parent
    name = re.compile("|".join(spec.name for spec in CONSTRUCTORS))
    places = {file.relative_to(package).parts[0] for file in package.rglob("*.py") if name.search(file.read_text())}
    # Configs import training/ by its name.
    assert places == {"constructors", "training"}


def test_our_constructor_refuses_options_of_mmengines() -> None:
    """For each option of mmengine's default constructor that lrdecay's does not accept, the error has its own fix."""
    assert {*DEFAULT.options} - {*OURS.options} == {*ELSEWHERE}


@pytest.mark.parametrize(
    ("written", "module", "project"),
    [
        (MMDET_LAYER_DECAY, "", "mmdet"),
        (f"mmdet.{MMDET_LAYER_DECAY}", "", "mmdet"),
        (f"mmseg.{MMDET_LAYER_DECAY}", "", "mmseg"),
        (f"mine.{MMDET_LAYER_DECAY}", "", "mmdet"),
        (f"My{MMDET_LAYER_DECAY}", "", None),
        ("", "", None),
        (MMDET_LAYER_DECAY, "mmdet.engine.optimizers.layer_decay_optimizer_constructor", "mmdet"),
        (MMDET_LAYER_DECAY, "mmseg.engine.optimizers", "mmseg"),
        (MMDET_LAYER_DECAY, "mmaction.engine.optimizers", "mmaction"),
        (MMDET_LAYER_DECAY, "mine.optimizers", None),
        (LRDECAY_LAYER_DECAY, "", "lrdecay"),
        (LRDECAY_LAYER_DECAY, "mmpose.engine.optim_wrappers.layer_decay_optim_wrapper", "mmpose"),
        (f"mmseg.{MMDET_LAYER_DECAY}", "mine", None),
    ],
)
def test_several_of_one_name(written: str, module: str, project: str | None) -> None:
    """mmseg's constructor has the class name of mmdet's: the class decides, otherwise the scope."""
    spec = find_constructor(written, module)
    assert (spec and spec.project) == project


@pytest.mark.parametrize(
    ("options", "reads", "rate_option", "read"),
    [
        ({"layer_decay": 0.7, "head": 2}, ("layer_decay", "head"), "layer_decay", ("layer_decay", "head")),
        ({"layer_decay": 0.7, "head": 2}, ("head",), None, ("head",)),
        ({"decay_rate": 0.7}, None, "decay_rate", ("decay_rate",)),
        ({"momentum": 0.7}, None, None, ("momentum",)),
        ({}, (), None, ()),
    ],
)
def test_an_unknown_constructor_has_the_options_that_it_read(
    options: dict[str, float], reads: tuple[str, ...] | None, rate_option: str | None, read: tuple[str, ...]
) -> None:
    found = group_map(constructor=Constructor("mine.Own", options), training=Training({}, (), {}, {}, reads, ()))
    spec = constructor_of(found)
    assert isinstance(spec, UnknownConstructor)
    assert (spec.name, spec.known, spec.rate_option, spec.options) == ("Own", False, rate_option, read)
    # Custom keys may set a weight decay for its groups: rules read the groups.
    assert spec.decays_layers
    assert spec.keys_set_lr
    assert not spec.never_reads("custom_keys")
