"""Describe the group map of a checkpoint in a report: where its numbers come from, and the effect of a resume.

Source: mmengine 0.10.7, ``Runner.resume``: the optimizer's ``load_state_dict`` replaces the config's groups by the
saved groups, including lr, initial_lr and weight decay. The schedulers continue from these values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.report import Note
from lrdecay_cli.domain.training import Checkpoint
from lrdecay_cli.text.counting import count
from lrdecay_cli.text.name_patterns import fold_names


def checkpoint_facts(checkpoint: Checkpoint) -> Iterator[tuple[str, str]]:
    """Yield labels and values about the checkpoint for the top of a report, such as its epoch."""
    when = [f"epoch {checkpoint.epoch}"] if checkpoint.epoch is not None else []
    when += [f"iteration {checkpoint.iteration}"] if checkpoint.iteration is not None else []
    when += [checkpoint.written_by] if checkpoint.written_by else []
    yield "saved", ", ".join(when) or "not recorded"
    recorded = "each parameter has the name that the constructor recorded"
    by_position = f"each parameter has the name at the same position in the groups of {checkpoint.config}"
    yield "names", recorded if checkpoint.names == "recorded" else by_position


def checkpoint_notes(group_map: GroupMap) -> Iterator[Note]:
    """Yield notes about the checkpoint of a map. Yields nothing if the map is not from a checkpoint."""
    checkpoint = group_map.checkpoint
    if checkpoint is None:
        return
    moved = [
        parameter.name
        for group, parameter in group_map.grouped()
        if group.options.get("initial_lr") not in (None, group.lr)
    ]
    if moved:
        yield Note(
            "the lr is the saved lr, which schedulers set; lr scale and base lr are from the start of the training"
        )
    if checkpoint.misfit:
        yield Note(f"{checkpoint.config} cannot resume from this checkpoint", "warning", (checkpoint.misfit,))
    if checkpoint.unclaimed:
        yield Note(
            f"{checkpoint.unclaimed} tensors of the saved model are in no group: they are buffers or frozen parameters;"
            " --config CONFIG lists them"
        )


def resume_notes(before: GroupMap, after: GroupMap) -> Iterator[Note]:
    """Yield notes about a resume. At least one of the two compared maps is from a checkpoint."""
    for side in (before, after):
        yield from (note for note in checkpoint_notes(side) if note.level == "warning")
    if (before.checkpoint is None) == (after.checkpoint is None):
        return
    saved, config = (before, after) if before.checkpoint else (after, before)
    if saved.checkpoint and saved.checkpoint.misfit:
        return
    yield Note(
        f"a resumed training uses the groups of {saved.config.path}: mmengine restores their lr, initial_lr, weight"
        f" decay and all other options, and ignores the groups of {config.config.path}"
    )
    yield from _starting_lrs(saved, config)
    yield from _ignored_decays(saved, config)


def _ignored_decays(saved: GroupMap, config: GroupMap) -> Iterator[Note]:
    """Yield a warning if the saved weight decays, which a resume restores, differ from those of the config."""
    configured = {(group.optimizer, parameter.name): group for group, parameter in config.grouped()}
    differing = []
    for group, parameter in saved.grouped():
        first = group.options.get("initial_weight_decay", group.weight_decay)
        now = configured.get((group.optimizer, parameter.name))
        if now is not None and now.weight_decay != first:
            differing.append(parameter.name)
    if differing:
        problem = f"a resume ignores the config's current weight_decay: {count(len(differing), 'tensor')}"
        yield _warning(problem, differing, saved)


def _starting_lrs(saved: GroupMap, config: GroupMap) -> Iterator[Note]:
    """Yield a note that compares the lrs at the start of the saved training with the config's lrs."""
    configured = {(group.optimizer, parameter.name): group for group, parameter in config.grouped()}
    held = [(group, parameter.name) for group, parameter in saved.grouped()]
    known = [(group, name) for group, name in held if group.options.get("initial_lr") is not None]
    differing = []
    for group, name in known:
        other = configured.get((group.optimizer, name))
        if other and other.lr != group.options["initial_lr"]:
            differing.append(name)
    if differing:
        problem = f"training did not begin with the config's current lr: {len(differing)} of {len(held)} tensors"
        yield _warning(problem, differing, saved)
    elif known and any(group.options["initial_lr"] != group.lr for group, _ in known):
        yield Note(
            "training began with the config's lr, and schedulers have changed the lr since then;"
            " to compare without the lr, give --only lr_scale,weight_decay"
        )


def _warning(problem: str, names: Sequence[str], saved: GroupMap) -> Note:
    """Return a warning with the text ``problem``, and with name patterns of the tensors ``names`` as details."""
    folded = fold_names(names, saved.names(duplicates=True))
    return Note(problem, "warning", tuple(f"{pattern}  ({len(members)})" for pattern, members in folded))
