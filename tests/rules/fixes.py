"""Apply fixes of findings to the text of an example, build it again and check it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.fix import Edit, Fix
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.fixing.merged import Refused
from lrdecay_cli.fixing.planning import Planner
from lrdecay_cli.fixing.project import Project
from lrdecay_cli.rules import RULES, Example
from lrdecay_cli.rules.running import findings_of
from lrdecay_cli.text.python_source import as_python
from tests.rules.examples import Judged, map_of

NO_EDIT: Mapping[str, str] = {
    "LRD101": "the constructor's code",
    "LRD102": "the constructor's code",
    "LRD103": "nothing, if it is intended",
    "LRD104": "how a model freezes is its own",
    "LRD105": "the map was edited",
    "LRD106": "the constructor's code",
    "LRD204": "the constructor's code",
    "LRD207": "a constructor that accepts the layers' names",
    "LRD208": "a constructor that accepts the layers' names",
    "LRD209": "the map was edited",
    "LRD303": "the rate is the user's choice",
    "LRD304": "the constructor's code",
    "LRD305": "the constructor's code",
    "LRD306": "the lr is the user's choice",
    "LRD409": "the weight decay is the user's choice",
    "LRD307": "the rate is the user's choice",
    "LRD308": "another constructor",
    "LRD309": "what the log shows",
    "LRD406": "the constructor's code",
    "LRD407": "the constructor's code",
    "LRD603": "the milestones are the user's choice",
    "LRD604": "the end is the user's choice",
    "LRD607": "an lr for each group is the user's choice",
    "LRD612": "the program's code",
    "LRD613": "the program's code",
    "LRD614": "the program's code",
    "LRD701": "the config or its baseline is right",
    "LRD702": "the config or the assertion is right",
    "LRD703": "an assertion of the settings file",
    "LRD801": "another optimizer",
    "LRD802": "another optimizer",
    "LRD803": "another optimizer",
    "LRD804": "how a model freezes is its own",
    "LRD805": "another optimizer",
    "LRD806": "nothing, if it is intended",
    "LRD807": "another optimizer, or none of the schedule",
    "LRD811": "the hook may be intended",
    "LRD813": "the hook may be intended",
    "LRD815": "the config's code",
    "LRD818": "the model's code",
    "LRD822": "the constructor's code",
    "LRD823": "an option of the command line",
    "LRD825": "the lr is the user's choice",
    "LRD901": "a comment",
    "LRD902": "a comment",
    "LRD903": "the settings file",
    "LRD904": "a comment",
    "LRD816": "the right settings of the hook",
}
"""Rules with a bad example that no edit of an option fixes, with the place of the fix."""

ABOUT_MAPS = [rule for rule in RULES if rule.scope == "config"]
_NO_GROUPS = ("param_scheduler", "train_cfg", "default_hooks", "model_wrapper_cfg", "auto_scale_lr")
_OF_LAYERS = ("LRD2", "LRD3")
_OF_THE_OPTIMIZER = ("LRD509", "LRD824")


def write_fix(config: str, fix: Fix) -> list[Path]:
    """Write a fix into the files of a config and return them; no other config needs the fix."""
    planner = Planner({config: [fix]}, Project(Path(config).parent))
    planner.fix(config, fix)
    for path, text in planner.changed.items():
        path.write_bytes(text.encode())
    return [*planner.changed]


def fixed(example: Example, folder: Path, finding: Finding, fix: Fix, before: Sequence[Finding]) -> str:
    """Apply a fix to an example's files, and the fixes of new findings; return the remaining problems."""
    known = {(each.code, each.option) for each in before}
    wanted, done = [fix], []
    for _ in range(3):
        for each in wanted:
            if refused := _refusal(folder, each):
                return refused
        done += wanted
        found = [each for each in findings_of(map_of(example, folder), ABOUT_MAPS) if each.severity != "info"]
        left = [each for each in found if (each.code, each.option) == (finding.code, finding.option)]
        new = [each for each in found if (each.code, each.option) not in known]
        if not left and not new:
            return ""
        wanted = [each.fixes[0] for each in new if each.fixes and each.fixes[0].automatic]
        if left or not wanted:
            break
    return f"{'; '.join(map(str, done))}: {', '.join(f'{each.code} {each.message}' for each in (*left, *new))}"


def _refusal(folder: Path, fix: Fix) -> str:
    try:
        write_fix(str(folder / "config.py"), fix)
    except Refused as error:
        return f"{fix}: {error}"
    return ""


def objections(finding: Finding, fix: Fix, before: Judged, after: Judged) -> list[str]:
    """Return problems after a fix: the same finding, or another one above info."""
    known = {(each.code, each.option) for each in (*before.own, *before.others)}
    left = [each for each in after.own if each.option == finding.option and each.severity == finding.severity]
    found = (*after.own, *after.others)
    new = [each for each in found if each.severity != "info" and (each.code, each.option) not in known]
    return [f"{fix}: {each.code} {each.severity}: {each.message}" for each in (*left, *new)]


def strays(finding: Finding, fix: Fix, before: GroupMap, after: GroupMap) -> set[str]:
    """Return tensors whose lr or weight decay a fix changes although the finding is not about them."""
    numbers = [
        {tensor.name: (tensor.group.lr, tensor.group.weight_decay) for tensor in each.tensors() if tensor.group}
        for each in (before, after)
    ]
    changed = {name for name, number in numbers[0].items() if numbers[1].get(name) != number}
    if all(edit.option.startswith(_NO_GROUPS) for edit in fix.edits):
        return changed
    if all(edit.action == "delete" for edit in fix.edits):
        return changed
    if not fix.automatic or not finding.parameters or finding.code in _OF_THE_OPTIMIZER:
        return set()
    if finding.code.startswith(_OF_LAYERS):
        return {name for name in changed if not name.startswith("backbone.")}
    keys = [str(edit.to[-1]) for edit in fix.edits if edit.to]
    return {name for name in changed - {*finding.parameters} if not any(key in name for key in keys)}


def edits_not_named(finding: Finding) -> list[str]:
    """Return the edits of the first fix that its text does not name."""
    fix = next(iter(finding.fixes), None)
    shown = list(fix.edits) if fix else []
    # It shows at most three keys.
    if "…" in finding.fix:
        shown = shown[:3]
    return [str(edit) for edit in shown if not _says(finding.fix, edit)]


def _says(fix: str, edit: Edit) -> bool:
    last = str(edit.keys[-1])
    match edit.action:
        case "set" | "append":
            if isinstance(edit.value, list) and as_python(edit.value) not in fix:
                return any(as_python(value) in fix for value in edit.value)
            values = edit.value.values() if isinstance(edit.value, dict) else [edit.value]
            return (last in fix or last == "type" or edit.action == "append") and all(
                as_python(value) in fix or str(value) in fix for value in values
            )
        case "delete":
            # "did you mean" names another option that is set as well.
            removes = ("remove", "drop", "replace", "instead", "also set", "did you mean")
            return any(word in fix for word in removes)
    return bool(edit.to) and str(edit.to[-1] if edit.to else "") in fix
