"""A rule about the settings of the training, validation and test loops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lrdecay_cli.domain.training import Loop
from lrdecay_cli.rules.api import (
    Example,
    Fault,
    RuleContext,
    delete_option,
    nearest,
    rename_option,
    rule,
    set_option,
)

_LENGTHS = {"max_epochs": "by_epoch=True", "max_iters": "by_epoch=False"}
"""Each setting for the length of the training, and the value of ``by_epoch`` that the setting needs."""
CLASSES = ("EpochBasedTrainLoop", "IterBasedTrainLoop", "ValLoop", "TestLoop", "mmdet.TeacherStudentValLoop")
"""Registered loop classes, used to suggest a class for an unknown name. Source: mmengine 0.10 and mmdet 3.3."""

_DROPS = "{}=dict(_delete_=True, ...) drops settings of the base"


@rule(
    "LRD512",
    "loop-refused",
    severity="error",
    also=("warning",),
    bad=Example("train_cfg = dict(_delete_=True, by_epoch=True, max_epoch=36)"),
    good=Example("train_cfg = dict(_delete_=True, by_epoch=True, max_epochs=36)"),
)
def loop_refused(context: RuleContext) -> Iterator[Fault]:
    """``train_cfg``, ``val_cfg`` or ``test_cfg`` has settings that mmengine refuses when the run starts.

    The loop class does not accept some of the settings. The run builds the model, then raises before its first step.

    With ``by_epoch=True``, mmengine uses ``EpochBasedTrainLoop``, which needs ``max_epochs``. Otherwise it uses
    ``IterBasedTrainLoop``, which needs ``max_iters``. To use another class, set ``type`` and remove ``by_epoch``,
    because mmengine refuses ``type`` and ``by_epoch`` together.

    lrdecay reads the accepted settings from the signature of the loop class. If the signature ends in ``**kwargs``,
    lrdecay reports only probable misspellings, as warnings. ``test_cfg`` is used only after training, so its findings
    are warnings too.
    """
    for path, loop in (context.group_map.training.loops or {}).items():
        for fault in _faults(path, loop):
            yield replace(fault, severity="warning") if path == "test_cfg" else fault


_RENAMED = {
    **dict.fromkeys(("total_epochs", "epochs", "num_epochs", "n_epochs"), "max_epochs"),
    **dict.fromkeys(("total_iters", "iters", "num_iters", "max_iterations", "max_steps"), "max_iters"),
    **dict.fromkeys(("interval", "eval_interval", "evaluation_interval"), "val_interval"),
}
"""Names of settings in earlier versions or other projects, each with the name in mmengine."""


def _renamed(setting: str, loop: Loop) -> str | None:
    name = _RENAMED.get(setting)
    return name if name in (loop.takes or ()) and name not in loop.settings else None


def _faults(path: str, loop: Loop) -> Iterator[Fault]:
    settings = loop.settings
    if loop.takes is None:
        # A name in another scope is not misspelt.
        known = {name.rpartition(".")[2]: name for name in CLASSES}
        like = nearest(loop.type.rpartition(".")[2], known)
        yield Fault(
            f"{loop.type} is not a registered loop",
            f"did you mean {known[like]}?" if like else "import its module with custom_imports",
            option=f"{path}.type",
            edits=[set_option(f"{path}.type", known[like])] if like else (),
        )
        return
    chooses = ("by_epoch",) if path == "train_cfg" else ()
    if chooses and {"type", "by_epoch"} <= {*settings}:
        yield Fault(
            f"{path} has both type and by_epoch",
            f"remove {path}.by_epoch or type; {_DROPS.format(path)}",
            option=f"{path}.by_epoch",
            edits=[delete_option(f"{path}.by_epoch")],
        )
    lacking = [name for name in loop.needs if name not in settings]
    # Check the loop's type first: the other checks depend on it.
    for setting, value in sorted(settings.items(), key=lambda item: nearest(item[0], chooses) is None):
        if setting in (*loop.takes, *chooses, "type", "_scope_", "_delete_"):
            continue
        like = _renamed(setting, loop) or nearest(setting, lacking) or nearest(setting, (*loop.takes, *chooses))
        if loop.takes_more and like is None:
            continue
        edits = [delete_option(f"{path}.{setting}")]
        if like:
            fix = f"did you mean {path}.{like}={value!r}?"
            if like not in settings:
                edits = [rename_option(f"{path}.{setting}", like)]
            else:
                edits.append(set_option(f"{path}.{like}", value))
        elif setting in _LENGTHS and lacking and "type" not in settings:
            fix = f"set {path}.{_LENGTHS[setting]}, so that {setting} is the length of the training"
            like = lacking[0]
            edits = [set_option(f"{path}.by_epoch", setting == "max_epochs")]
        elif setting in _LENGTHS:
            fix = f"remove {setting}; {_DROPS.format(path)}"
        else:
            fix = f"remove {setting}; allowed settings: {', '.join(loop.takes) or 'none'}"
        yield Fault(
            f"{loop.type} has no setting {setting}",
            fix,
            option=f"{path}.{setting}",
            severity="warning" if loop.takes_more else None,
            edits=edits,
        )
        if like == "by_epoch":
            return
        lacking = [name for name in lacking if name != like]
    for name in lacking:
        yield Fault(f"{loop.type} needs {name}", f"set {path}.{name}", option=f"{path}.{name}")
