"""Build the group map of a config. Commands and the Python API call :func:`audit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mmengine.config import Config
from msgspec import UNSET
from msgspec.structs import replace
from torch import nn

from lrdecay_cli import __version__
from lrdecay_cli.analysis.verification import with_original
from lrdecay_cli.constructors import DEFAULT, find_constructor
from lrdecay_cli.constructors.recomputation import with_provenance
from lrdecay_cli.domain.errors import ConstructorRefused, LrdecayError
from lrdecay_cli.domain.group_map import SCHEMA_VERSION, ConfigSource, GroupMap, Stub, Tool
from lrdecay_cli.domain.training import PLAIN_LAUNCH, Constructor, Launch, Model, Optimizer
from lrdecay_cli.openmmlab.availability import check_device
from lrdecay_cli.openmmlab.batch import BuiltGroups, batch_of
from lrdecay_cli.openmmlab.build_context import no_network, quiet_stack
from lrdecay_cli.openmmlab.building import (
    PLAIN_WRAPPER,
    BuiltOptimizer,
    build_model,
    check_shapes,
    check_trainable,
    training_scope,
)
from lrdecay_cli.openmmlab.config_facts import averages_of, training_of
from lrdecay_cli.openmmlab.config_file import load_config, parse_overrides, resolved_sha256
from lrdecay_cli.openmmlab.config_values import distributions_of_stack, number, plain, stack_versions, type_name
from lrdecay_cli.openmmlab.decay_constructor import (
    LayerDecayConstructor,
    explain_groups,
    layer_depth_of,
    unwrapped_model,
)
from lrdecay_cli.openmmlab.failures.constructor_failures import clearer_failure
from lrdecay_cli.openmmlab.failures.places import add_places
from lrdecay_cli.openmmlab.failures.translate import READING, classify_upstream_faults, translate_errors
from lrdecay_cli.openmmlab.lazy_imports.late_types import look_up_late_types
from lrdecay_cli.openmmlab.model_modules import modules_of
from lrdecay_cli.openmmlab.optimizer_effects import effects_in
from lrdecay_cli.openmmlab.reading import common, read_groups
from lrdecay_cli.openmmlab.schedulers.lr_hooks import positioned_lrs
from lrdecay_cli.openmmlab.schedulers.refusals import refused_schedulers
from lrdecay_cli.openmmlab.stubs.import_needs import import_needs, needs_of
from lrdecay_cli.openmmlab.stubs.missing_modules import install_stubs
from lrdecay_cli.openmmlab.train_mode import in_train_mode
from lrdecay_cli.openmmlab.unrun_code import unrun_code
from lrdecay_cli.openmmlab.world import world_of
from lrdecay_cli.openmmlab.wrapping import with_wrapping


def audit(
    config: str,
    *,
    cfg_options: tuple[str, ...] = (),
    device: str = "cpu",
    verbose: bool = False,
    exact: bool = False,
    launch: Launch = PLAIN_LAUNCH,
    change: Callable[[Config], None] | None = None,
) -> GroupMap:
    """Build the model of a training config, run the config's own constructor and return the parameter groups.

    Args:
        config: path of a config, or ``<package>::<path>`` for the zoo of an installed package.
        cfg_options: overrides, each ``key=value`` as for mmengine's ``--cfg-options``.
        device: ``cpu``, ``meta``, ``mps``, ``cuda`` or ``cuda:<n>``.
        verbose: show warnings and log lines of torch and OpenMMLab on stderr.
        exact: also initialise the weights of the model, which takes more time and memory.
        launch: number of GPUs, and whether ``auto_scale_lr`` is switched on.
        change: function that changes the loaded config before anything is built.

    Raises:
        ConstructorRefused: the model builds, but the constructor fails.
        LrdecayError: the config, model or device is not available, or ``auto_scale_lr`` lacks a batch size.
    """
    check_device(device)
    overrides = parse_overrides(cfg_options)
    with (
        quiet_stack(verbose),
        import_needs(),
        classify_upstream_faults(config, cfg_options, device),
        add_places(config, cfg_options),
    ):
        stubs = install_stubs()
        look_up_late_types()
        with world_of(launch.world_size, given=launch.gpus is not None) as requests:
            loaded = load_config(config, overrides)
        if change:
            change(loaded)
        check_trainable(loaded, config)
        batch = batch_of(loaded, launch, config)
        with training_scope(loaded):
            model, model_stubs = build_model(loaded, config, device, initialised=exact)
            check_shapes(model, config)
            try:
                reload = partial(_changed, config, overrides, change) if requests.asked else None
                groups = BuiltGroups(loaded, model, config, batch, launch, reload)
            except LrdecayError as error:
                known = clearer_failure(error, loaded, model, config)
                raise ConstructorRefused(**known.fields()) from error
        # Values in a config, and results of its own classes, may have any type.
        with translate_errors(READING, config):
            source = ConfigSource(config, resolved_sha256(loaded), plain(overrides))
            built = groups.built
            with no_network():
                group_map = group_map_of(loaded, source, model, built, device, (*stubs, *model_stubs, *built.stubs))
            return with_wrapping(groups.finished(group_map), loaded, model, launch.world_size)


def _changed(config: str, overrides: dict[str, Any], change: Callable[[Config], None] | None) -> Config:
    loaded = load_config(config, overrides)
    if change:
        change(loaded)
    return loaded


def group_map_of(
    config: Config,
    source: ConfigSource,
    model: nn.Module,
    built: BuiltOptimizer,
    device: str,
    stubs: tuple[Stub, ...],
) -> GroupMap:
    """Return the group map of a model and optimizer that :func:`audit` or mmengine's Runner built from ``config``."""
    wrapper = config.optim_wrapper
    options: Mapping[str, Any] = wrapper.get("paramwise_cfg") or {}
    path = options.get("backbone", "backbone") if built.constructor is LayerDecayConstructor else "backbone"
    backbone = dict(unwrapped_model(model).named_modules()).get(path)
    optimizer_config: Mapping[str, Any] = wrapper.get("optimizer") or {}
    # lr and weight decay come from the config, else from the default of the optimizer class.
    own = optimizer_config if len(built.optimizers) == 1 else {}
    base_lrs, base_weight_decays = (
        {name: number(own.get(key, each.defaults.get(key))) for name, each in built.optimizers.items()}
        for key in ("lr", "weight_decay")
    )
    types = {name: type(optimizer).__name__ for name, optimizer in built.optimizers.items()}
    named = type_name(wrapper.get("constructor", DEFAULT.name))
    spec = find_constructor(named, built.constructor.__module__)
    turns = spec.turns(wrapper, tuple(types)) if spec and spec.turns else ()
    provenance = explain_groups(config, model, built.constructor)
    with in_train_mode(model) as train_mode:
        read = read_groups(model, built.optimizers, base_lrs, provenance, scheduled=built.scheduled, turns=turns)
    stack = stack_versions(
        {*map(type, model.modules()), *map(type, built.optimizers.values()), built.constructor}, "mmcv"
    )
    group_map = GroupMap(
        schema_version=SCHEMA_VERSION,
        tool=Tool("lrdecay", __version__),
        stack=stack,
        device=device,
        config=source,
        constructor=Constructor(named, plain(options), built.constructor.__module__),
        optimizer=Optimizer(
            type=", ".join(dict.fromkeys(types.values())),
            wrapper=type_name(wrapper.get("type", PLAIN_WRAPPER)),
            options={
                key: plain(value)
                for key, value in optimizer_config.items()
                if key not in ("type", "lr", "weight_decay")
            },
            types=types,
            effects=effects_in(
                built.optimizers,
                {name: _optimizer_settings(wrapper.get(name) if name else wrapper) for name in types},
            ),
            turns=turns or UNSET,
        ),
        base_lr=common(base_lrs.values()),
        base_weight_decay=common(base_weight_decays.values()),
        model=Model(
            type(model).__name__,
            type(backbone).__name__ if backbone is not None else None,
            read.totals,
            averages_of(config, model) or UNSET,
        ),
        groups=read.groups,
        frozen=read.frozen,
        missing=read.missing,
        duplicates=read.duplicates,
        stubs=tuple(dict.fromkeys((*stubs, *needs_of(model, config.get("default_scope") or "mmengine")))),
        modules=modules_of(model),
        training=replace(
            training_of(config, built.reads, built.asked, train_mode),
            positioned_lrs=positioned_lrs(config, len(read.groups)) if len(types) == 1 else UNSET,
            unrun=unrun_code(config),
        ),
        checkpoint=None,
        distributions=distributions_of_stack(stack),
    )
    if refused := refused_schedulers(config, group_map):
        group_map = replace(group_map, training=replace(group_map.training, refused_schedulers=refused))
    return with_original(with_provenance(group_map, layer_depth_of(model)))


def _optimizer_settings(wrapper: Any) -> Mapping[str, Any]:
    """Return the dict ``optimizer`` in the config of an optimizer wrapper; empty if there is none."""
    settings = wrapper.get("optimizer") if isinstance(wrapper, Mapping) else None
    return settings if isinstance(settings, Mapping) else {}
