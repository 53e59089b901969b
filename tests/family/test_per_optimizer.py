"""mmagic's constructors with random settings, if mmagic is installed; ``maps/`` has some recorded groups."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import MODELS
from torch import nn

from lrdecay_cli.constructors.per_optimizer import MULTI_SPEC, PGGAN_SPEC, SINGAN_SPEC
from lrdecay_cli.constructors.spec import ConstructorInputs
from lrdecay_cli.decay.options import DecayError
from lrdecay_cli.decay.rules import TrainingParameter
from lrdecay_cli.openmmlab.audit import audit
from tests.openmmlab.plain import plain_config, plain_groups, plain_model
from tests.recomputing import assert_explained, assert_recomputes

PARTS = ("generator", "discriminator")
SCALES = (4, 8, 16)


@MODELS.register_module(force=True)
class TwoParts(nn.Module):
    """A generator and a discriminator with ``blocks``, with the resolutions that PGGAN's constructor requires."""

    def __init__(self, **_: Any) -> None:
        super().__init__()
        self.scales = [(scale, scale) for scale in SCALES]
        self.num_scales = 1
        for part in PARTS:
            blocks = [nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)) for _ in range(2)]
            self.add_module(part, nn.ModuleDict({"blocks": nn.ModuleList(blocks), "norm": nn.LayerNorm(2)}))


LRS = st.sampled_from([1e-4, 0.003, 0.1, 1])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "bias_lr_mult": st.sampled_from([0.5, 2]),
        "norm_decay_mult": st.sampled_from([0.0, 0.3]),
        "custom_keys": st.fixed_dictionaries(
            {},
            optional={
                "blocks.1": st.just({"lr_mult": 0.1}),
                "generator": st.just({"lr_mult": 0.7}),
                ".norm": st.just({"decay_mult": 1 / 3}),
            },
        ),
    },
)


@st.composite
def wrappers(draw: st.DrawFn) -> dict[str, Any]:
    """Valid settings of the constructors."""
    spec = draw(st.sampled_from([MULTI_SPEC, PGGAN_SPEC, SINGAN_SPEC]))
    wrapper: dict[str, Any] = {"constructor": spec.scoped_name}
    keeps = spec is PGGAN_SPEC and draw(st.booleans())
    for part in PARTS:
        optimizer = {"type": draw(st.sampled_from(["SGD", "AdamW"])), "lr": draw(LRS), "weight_decay": draw(LRS)}
        wrapper[part] = {"optimizer": optimizer}
        if (spec is not PGGAN_SPEC or keeps) and (options := draw(OPTIONS)):
            wrapper[part]["paramwise_cfg"] = options
    if spec is PGGAN_SPEC:
        scheduled = st.dictionaries(st.sampled_from([str(scale) for scale in SCALES]), LRS)
        wrapper |= {"reset_optim_for_new_scale": not keeps, "lr_schedule": {part: draw(scheduled) for part in PARTS}}
    return wrapper


@pytest.mark.skipif(find_spec("mmagic") is None, reason="maps/ has what its constructors made")
@given(wrapper=wrappers())
@settings(max_examples=40, deadline=None)
def test_every_number_is_recomputed(wrapper: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = Path(tmp_path_factory.mktemp("settings")) / "config.py"
    text = f"default_scope = 'mmagic'\nmodel = dict(type='mmengine.TwoParts')\noptim_wrapper = {wrapper!r}\n"
    path.write_text(f"{text}custom_imports = dict(imports=['mmagic.engine'])\n", encoding="utf-8")
    group_map = audit(str(path))
    config = plain_config(str(path))
    assert [
        (group["lr"], group["weight_decay"], group["names"]) for group in plain_groups(config, plain_model(config))
    ] == [
        (group.lr, group.weight_decay, [parameter.name for parameter in group.parameters]) for group in group_map.groups
    ]
    assert_recomputes(group_map)
    assert_explained(group_map)


OPTIMIZER = {"optimizer": {"type": "SGD", "lr": 0.1}}
TWO = dict.fromkeys(PARTS, OPTIMIZER)
SCHEDULE: dict[str, Any] = {part: {} for part in PARTS}


@pytest.mark.parametrize(
    ("spec", "wrapper", "cause"),
    [
        (PGGAN_SPEC, {**TWO, "lr_schedule": {"generator": {}}}, r"lr_schedule: .* 'discriminator'.*add discrimin"),
        (
            PGGAN_SPEC,
            {**TWO, "encoder": OPTIMIZER, "lr_schedule": SCHEDULE},
            r"encoder: .*no module 'encoder'.*discriminator, gen",
        ),
        (
            PGGAN_SPEC,
            {**TWO, "generator": {**OPTIMIZER, "paramwise_cfg": {"bias_lr_mult": 2}}, "lr_schedule": {}},
            r"generator\.paramwise_cfg: .*set optim_wrapper\.reset_optim_for_new_scale=False",
        ),
        (
            SINGAN_SPEC,
            {**TWO, "generator": {**OPTIMIZER, "paramwise_cfg": {"norm_decay_mult": 0.0}}},
            r"norm_decay_mult needs a weight decay to multiply, but the config sets none;"
            r" set optim_wrapper\.generator\.optimizer\.weight_decay",
        ),
        (MULTI_SPEC, {**TWO, "generator": {**OPTIMIZER, "modules": ["generator"]}}, r"discriminator\.modules='discrim"),
    ],
)
def test_cause_of_an_error_that_names_a_key_alone(spec: Any, wrapper: dict[str, Any], cause: str) -> None:
    """Each setting makes the real constructor raise KeyError, TypeError or ``base_wd should not be None``."""
    inputs = ConstructorInputs(spec, {}, None, None, None, None, None, wrapper=wrapper)
    parameters = [TrainingParameter(f"{part}.weight", (1,), True) for part in PARTS]
    with pytest.raises(DecayError, match=cause):
        spec.raise_cause(inputs, parameters)
    sound = msgspec.structs.replace(inputs, wrapper={**TWO, "lr_schedule": SCHEDULE})
    assert spec.raise_cause(sound, parameters) is None
