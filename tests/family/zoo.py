"""Tables of the sibling packages' zoos: the result of lrdecay for each config, compared with a plain build of mmengine.

``python -m tests.family.zoo PACKAGE`` writes ``zoo/<package>.csv`` if the package is installed (see CONTRIBUTING.md).
Each config is built in a fork. ``--first 60`` records a part of the sample, and keeps the other rows.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import SEVERITIES
from lrdecay_cli.domain.group_map import GroupedParameter, ParameterGroup
from lrdecay_cli.files.packages import distribution_of
from tests.golden import Table

FOLDER = Path(__file__).parent / "zoo"
SAMPLES = {"mmseg": 150, "mmpose": 150, "mmaction": 150, "mmagic": 150}
"""Number of recorded configs by zoo; other zoos are recorded completely."""
PACKAGES = {
    "mmseg": "1.2.2",
    "mmpose": "1.3.2",
    "mmaction": "1.2.0",
    "mmyolo": "0.6.0",
    "mmselfsup": "1.0.0",
    "mmrotate": "1.0.1",
    "mmdet3d": "1.4.0",
    "mmocr": "1.0.1",
    "mmagic": "1.2.0",
    "mmrazor": "1.0.0",
}
"""Packages with the recorded version."""


class Row(msgspec.Struct, frozen=True):
    """A config and its result; numbers are empty without a map."""

    config: str
    status: str
    """``map``, or the type of the failure."""
    groups: str = ""
    tensors: str = ""
    """Number of tensors in groups."""
    digest: str = ""
    """Digest of the groups: lr, weight decay and names of each."""
    plain: str = ""
    """``equal`` if plain mmengine builds the same groups, else the result of mmengine."""
    unexplained: str = ""
    """Number of tensors whose numbers no formula gives bit for bit."""
    errors: str = ""
    warnings: str = ""
    infos: str = ""
    """Codes of the findings of ``check``, with the number of findings: ``LRD301 LRD404*2``."""
    problem: str = ""
    """The error for the config, or the reason why plain mmengine builds other groups."""


def table_of(package: str) -> Table:
    """Return the golden table; its keys are the configs in it."""
    table = Table(FOLDER / f"{package}.csv", Row.__struct_fields__, lambda: [row[0] for row in table.rows()])
    return table


def rows_of(package: str) -> list[Row]:
    return [Row(*row) for row in table_of(package).rows()]


def sampled(package: str) -> list[str]:
    """Return the recorded configs of a package, in a seeded order, so that the first ones are a sample too."""
    root = _folder(package) / ".mim" / "configs"
    paths = [path.relative_to(root) for path in root.rglob("*.py")]
    # mmocr's bases are in the same folder as the configs.
    names = sorted(p.as_posix() for p in paths if not any(part.startswith("_base_") for part in p.parts))
    random.Random(package).shuffle(names)
    return names[: SAMPLES.get(package)]


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None, package
    assert spec.origin is not None, package
    return Path(spec.origin).parent


def outcome(package: str, config: str) -> tuple[Row, dict[str, Any]]:
    """Return the row of a config, its findings, differences from plain mmengine, and unexplained numbers."""
    from lrdecay_cli.openmmlab.audit import audit
    from lrdecay_cli.rules import RULES
    from lrdecay_cli.rules.running import findings_of

    where = f"{package}::{config}"
    try:
        group_map = audit(where)
    except LrdecayError as error:
        problem = error.replaced(where="").line().replace(f"{_folder(package).parent}/", "")
        return Row(config, error.status, problem=problem), {}
    found = findings_of(group_map, RULES)
    codes = {severity: Counter(f.code for f in found if f.severity == severity) for severity in SEVERITIES}
    unexplained = [parameter.name for group, parameter in group_map.grouped() if not is_explained(group, parameter)]
    groups = [
        (group.lr, group.weight_decay, [parameter.name for parameter in group.parameters]) for group in group_map.groups
    ]
    plain, difference = _plain(where, groups)
    row = Row(
        config,
        "map",
        str(len(group_map.groups)),
        str(group_map.model.totals.grouped_tensors),
        hashlib.sha256(json.dumps(groups).encode()).hexdigest()[:12],
        plain,
        str(len(unexplained)),
        *(_counted(codes[severity]) for severity in ("error", "warning", "info")),
        "" if plain == "equal" else difference,
    )
    details = {
        "constructor": [group_map.constructor.type, group_map.constructor.module],
        "findings": [(f.code, f.severity, f.message, list(f.patterns), f.option, f.fix) for f in found],
        "unexplained": unexplained[:5],
        "plain": difference,
    }
    return row, details


def is_explained(group: ParameterGroup, parameter: GroupedParameter) -> bool:
    """Return True if formulas give the numbers of a parameter's group bit for bit, and no number is only observed."""
    known = parameter.provenance
    if known is None:
        return False
    numbers = ((known.layer_id, group.layer_id), (known.lr_scale, group.lr_scale), (known.lr, group.lr))
    steps = [(step, real) for step, real in (*numbers, (known.weight_decay, group.weight_decay)) if step is not None]
    return all(
        step.basis != "observed" and eval(step.formula, {"__builtins__": {}}) == step.result == real
        for step, real in steps
    )


def _counted(codes: Counter[str]) -> str:
    return " ".join(code if number == 1 else f"{code}*{number}" for code, number in sorted(codes.items()))


def _plain(where: str, groups: list[Any]) -> tuple[str, str]:
    """Return whether plain mmengine builds ``groups``, and the first difference."""
    from mmengine.logging import MMLogger
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import DefaultScope
    from mmengine.runner import Runner

    from lrdecay_cli.files.config_path import find_config
    from tests.openmmlab.plain import plain_config, plain_model

    # In the root of the package's sources, because some configs use paths relative to it.
    os.chdir(_folder(where.partition("::")[0]) / ".mim")
    _without_weights()
    try:
        config = plain_config(str(find_config(where)))
        model = plain_model(config)
        with DefaultScope.overwrite_default_scope(config.get("default_scope", "mmengine")):
            wrapper = build_optim_wrapper(model, copy.deepcopy(config.optim_wrapper))
        logger = MMLogger.get_current_instance()
        runner = SimpleNamespace(
            _train_dataloader=config.get("train_dataloader"), world_size=1, logger=logger, param_schedulers=None
        )
        Runner.scale_lr(runner, wrapper, config.get("auto_scale_lr"))
    except Exception as error:
        return "fails", f"{type(error).__name__}: {str(error)[:300]}"
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimizers = [each.optimizer for each in (wrapper.values() if hasattr(wrapper, "optim_wrappers") else [wrapper])]
    real = [
        (group["lr"], group["weight_decay"], [names[id(tensor)] for tensor in group["params"]])
        for optimizer in optimizers
        for group in optimizer.param_groups
    ]
    if real == groups:
        return "equal", ""
    pairs = enumerate(zip(real, groups, strict=False))
    return "differs", f"{len(real)} groups, {next((pair for pair in pairs if pair[1][0] != pair[1][1]), '')}"[:600]


def _without_weights() -> None:
    """Skip random numbers and downloads: the values of weights do not affect the groups."""
    import torch
    import torchvision.models._api
    from mmengine.runner import CheckpointLoader, checkpoint

    for name in ("normal_", "uniform_", "erfinv_"):
        setattr(torch.Tensor, name, lambda tensor, *_, **__: tensor)
    CheckpointLoader.load_checkpoint = lambda *_, **__: {"state_dict": {}}
    checkpoint.load_state_dict = lambda *_, **__: None
    torchvision.models._api.WeightsEnum.get_state_dict = lambda *_, **__: {}
    torch.nn.Module.load_state_dict = lambda *_, **__: None


def recorded(package: str, configs: list[str]) -> Iterator[tuple[Row, dict[str, Any]]]:
    """Yield the outcome of each config, each in a fork of this process, which has imported the package.

    Raises AssertionError if the package has another version than the tables.
    """
    installed = version(distribution_of(package))
    assert installed == PACKAGES[package], f"{package} {installed}"
    from lrdecay_cli.openmmlab.preloading import preload_stack
    from lrdecay_cli.processes.building import needed_packages
    from lrdecay_cli.processes.children import in_children

    preload_stack(needed_packages([f"{package}::{config}" for config in configs]))

    def work(config: str) -> bytes:
        try:
            return msgspec.json.encode(outcome(package, config))
        except Exception as error:
            return msgspec.json.encode((Row(config, "internal error", problem=repr(error)[:300]), {}))

    for child in in_children(configs, work, jobs=1, timeout=300, memory=8 << 30):
        if child.answer:
            yield msgspec.json.decode(child.answer, type=tuple[Row, dict[str, Any]])
        else:
            yield Row(child.name, child.lost, problem=child.reason), {}


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("package", choices=PACKAGES)
    parser.add_argument("--first", type=int, help="record only the first of the sample")
    parser.add_argument("--configs", nargs="+", help="record these")
    parser.add_argument("--missing", action="store_true", help="go on: record what is not in the table")
    parser.add_argument("--refused", action="store_true", help="record again what is refused in the table")
    parser.add_argument("--details", type=Path, help="write findings and differences here, a JSON line each")
    options = parser.parse_args()
    everything = sampled(options.package)
    table = table_of(options.package)
    rows = {row.config: row for row in rows_of(options.package)} if table.path.is_file() else {}
    chosen = options.configs or everything[: options.first]
    if options.missing:
        chosen = [config for config in chosen if config not in rows]
    if options.refused:
        chosen = [config for config in chosen if config in rows and rows[config].status != "map"]
    for row, details in recorded(options.package, chosen):
        rows[row.config] = row
        rows_kept = [msgspec.structs.astuple(rows[name]) for name in sorted(everything) if name in rows]
        table.write_all(rows_kept)
        sys.stderr.write(f"{row.status} {row.plain} {row.unexplained} {row.errors} {row.config} {row.problem[:100]}\n")
        if options.details:
            with options.details.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"config": row.config, **details}) + "\n")


if __name__ == "__main__":
    _main()
