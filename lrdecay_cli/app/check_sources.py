"""The group maps that ``check`` judges: of exported maps, of one config, or of many built side by side."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import msgspec

from lrdecay_cli.app.sources import Request, check_stack, group_maps_of, is_map
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.finding import Unjudged
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.files import read_bytes
from lrdecay_cli.files.config_path import is_checkpoint


class Gathered(msgspec.Struct, frozen=True):
    """What there is to judge, in the order in which it was named."""

    maps: tuple[GroupMap, ...]
    unjudged: tuple[Unjudged, ...]


def gather(targets: Sequence[str], request: Request, *, jobs: int) -> Gathered:
    """Every group map that ``targets`` mean: a config, an exported map, ``-``, a checkpoint, a directory of configs and
    maps, ``mmdet::DIR``.

    Raises:
        LrdecayError: nothing is there, or the only config there is does not build. Of several, one that does not build
            is unjudged, and the others are judged.
    """
    names = _names(targets)
    configs = [name for name in names if not is_map(name) and not is_checkpoint(name)]
    if len(configs) < 2:
        return Gathered(tuple(group_maps_of(names, request)), ())
    built = _built(configs, request, jobs)
    maps = iter(group_maps_of([name for name in names if name not in built], request))
    found = [built[name] if name in built else next(maps) for name in names]
    return Gathered(
        tuple(one for one in found if isinstance(one, GroupMap)),
        tuple(one for one in found if isinstance(one, Unjudged)),
    )


def _names(targets: Sequence[str]) -> list[str]:
    names: dict[str, None] = {}
    for target in targets:
        names.update(dict.fromkeys(_named_by(target)))
    return list(names)


def _named_by(target: str) -> list[str]:
    from lrdecay_cli.scanning.targets import configs_of

    if target == "-" or is_checkpoint(target) or (target.endswith(".json") and Path(target).is_file()):
        return [target]
    if not Path(target).is_dir():
        return configs_of([target])
    maps = [str(path) for path in sorted(Path(target).rglob("*.json")) if _holds_map(str(path))]
    try:
        return [*configs_of([target]), *maps]
    except LrdecayError:
        if maps:
            return maps
        raise


def _holds_map(path: str) -> bool:
    """Whether a .json file that nobody named is a group map, or at least means to be one."""
    try:
        keys = msgspec.json.decode(read_bytes(path), type=dict[str, msgspec.Raw]).keys()
    except (LrdecayError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return {"schema_version", "groups"} <= keys


def _built(configs: Sequence[str], request: Request, jobs: int) -> dict[str, GroupMap | Unjudged | None]:
    """A map or what stood in its way for each config, None for one that is not for training."""
    from lrdecay_cli.app.isolated import isolation
    from lrdecay_cli.app.progress import progress
    from lrdecay_cli.domain.scan import NOT_FOR_TRAINING
    from lrdecay_cli.scanning.building import Built
    from lrdecay_cli.scanning.servers import BuildOptions, forked

    found: dict[str, GroupMap | Unjudged | None] = {}
    for config in configs:
        kept = request.kept(config)
        if kept is not None:
            found[config] = kept
    missing = [config for config in configs if config not in found]
    if not missing:
        return found
    check_stack(missing[0])
    plain = BuildOptions(request.cfg_options, request.device, None, None, request.verbose)
    bounds = isolation(plain) if request.isolated else nullcontext(plain)
    with bounds as options, progress(len(missing), "building") as advance:
        for outcome in forked(options, jobs, missing):
            if outcome.lost:
                found[outcome.name] = Unjudged(outcome.name, outcome.lost, outcome.reason)
            else:
                built = msgspec.json.decode(outcome.answer, type=Built)
                failure = Unjudged(outcome.name, built.record.status, built.record.problem)
                unfit = built.record.status in NOT_FOR_TRAINING
                found[outcome.name] = built.group_map or (None if unfit else failure)
            advance(isinstance(found[outcome.name], Unjudged))
    return found
