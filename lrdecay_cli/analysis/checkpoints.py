"""Facts and notes about a map from a checkpoint: the source of its numbers, and the effect of a resume.

Source: mmengine 0.10.7, ``Runner.resume``: the optimizer's ``load_state_dict`` replaces the config's groups by the
saved ones, including lr, initial_lr and weight decay; the schedulers continue from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.report import Note
from lrdecay_cli.domain.training import Checkpoint
from lrdecay_cli.text.counting import count
from lrdecay_cli.text.name_patterns import fold_names


def checkpoint_facts(checkpoint: Checkpoint) -> Iterator[tuple[str, str]]:
    """Yield facts for the head of a report."""
    when = [f"epoch {checkpoint.epoch}"] if checkpoint.epoch is not None else []
    when += [f"iteration {checkpoint.iteration}"] if checkpoint.iteration is not None else []
    when += [checkpoint.written_by] if checkpoint.written_by else []
    yield "saved", ", ".join(when) or "not recorded"
    by_position = f"by their position in the groups of {checkpoint.config}"
    yield "named", "as the constructor recorded" if checkpoint.names == "recorded" else by_position


def checkpoint_notes(group_map: GroupMap) -> Iterator[Note]:
    """Yield notes below the table of a map; none for a map without a checkpoint."""
    checkpoint = group_map.checkpoint
    if checkpoint is None:
        return
    moved = [
        parameter.name
        for group, parameter in group_map.grouped()
        if group.options.get("initial_lr") not in (None, group.lr)
    ]
    if moved:
        yield Note("lr is the saved lr, at this point of the schedule; lr scale and base lr are the initial ones")
    if checkpoint.misfit:
        yield Note(f"{checkpoint.config} cannot resume from this checkpoint", "warning", (checkpoint.misfit,))
    if checkpoint.unclaimed:
        yield Note(
            f"{checkpoint.unclaimed} tensors of the saved model are in no group: buffers, or frozen parameters;"
            " --config CONFIG lists them"
        )


def resume_notes(before: GroupMap, after: GroupMap) -> Iterator[Note]:
    """Yield notes below a comparison with a checkpoint on one or both sides."""
    for side in (before, after):
        yield from (note for note in checkpoint_notes(side) if note.level == "warning")
    if (before.checkpoint is None) == (after.checkpoint is None):
        return
    saved, config = (before, after) if before.checkpoint else (after, before)
    if saved.checkpoint and saved.checkpoint.misfit:
        return
    yield Note(
        f"a resumed run uses the numbers of {saved.config.path}: mmengine restores lr, initial_lr, weight"
        f" decay and all other options of its groups and ignores those of {config.config.path}"
    )
    yield from _beginnings(saved, config)
    yield from _ignored_decays(saved, config)


def _ignored_decays(saved: GroupMap, config: GroupMap) -> Iterator[Note]:
    """Yield the weight decays of the config that a resume replaces by saved ones."""
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


def _beginnings(saved: GroupMap, config: GroupMap) -> Iterator[Note]:
    """Yield notes that compare the lrs at the start of the saved training with the config's lrs."""
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
            "training began with the config's lr, which its schedule has changed since:"
            " --only lr_scale,weight_decay leaves lr out"
        )


def _warning(problem: str, names: Sequence[str], saved: GroupMap) -> Note:
    """Return a warning. The names of its tensors are folded into patterns."""
    folded = fold_names(names, saved.names(duplicates=True))
    return Note(problem, "warning", tuple(f"{pattern}  ({len(members)})" for pattern, members in folded))
