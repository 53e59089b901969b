"""Summarize a comparison in up to three sentences: size of the changes, tensors in only one map, causes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lrdecay_cli.analysis.comparing.changes import SIDES, one_side
from lrdecay_cli.analysis.comparing.tables import shown_change, shown_setting
from lrdecay_cli.analysis.lr_factors import LrPair, mean_lrs, ratio
from lrdecay_cli.domain.change import IN_GROUPS, Aspect, Change, SettingChange
from lrdecay_cli.domain.origins import Option
from lrdecay_cli.domain.stack import Cause, PackageChange
from lrdecay_cli.origins import ConfigOrigins
from lrdecay_cli.text.counting import count, factor_span, factor_text, listed, verb

_NUMBERS: tuple[Aspect, ...] = ("lr", "weight_decay")
_NAMED = 3
# The settings that may cause a change of an aspect; all other aspects depend on the model's settings.
_BEHIND: Mapping[Aspect, tuple[str, ...]] = {
    "group": ("constructor.",),
    "layer_id": ("constructor.",),
    "lr_scale": ("constructor.",),
    "lr": ("constructor.", "base_lr", "batch.", "optimizer.type"),
    "weight_decay": ("constructor.", "base_weight_decay", "batch.", "optimizer.type"),
    "optimizer": ("optimizer.type",),
    "options": ("constructor.", "optimizer."),
}


def extent_sentence(
    changes: Sequence[Change], total: int, pairs: Mapping[str, LrPair], compared: frozenset[Aspect] | None
) -> str:
    """Return a sentence about the size of the changes: which values changed, in how many tensors and by how much."""
    counts = Counter(change.aspect for change in changes)
    of = f"{total} tensors"
    among = f" in {listed(sorted(aspect.replace('_', ' ') for aspect in compared))}" if compared else ""
    if not changes:
        return f"No difference{among}: {of}"
    if not any(counts[aspect] for aspect in IN_GROUPS):
        return f"No difference{among} in the tensors that both maps have in a group"
    # A scale repeats the lr, and a group's name repeats its layer id.
    implied = {*(("lr_scale",) if counts["lr"] else ()), *(("group",) if counts["layer_id"] else ())}
    differing = [aspect for aspect in ("lr", *IN_GROUPS) if counts[aspect] and aspect not in implied]
    first, *others = dict.fromkeys(differing)
    values = _lr_change(changes, pairs) if first == "lr" else _values(first, changes)
    texts = [f"{first.replace('_', ' ')} differs in {counts[first]} of {of}{values}"]
    texts += [f"{aspect.replace('_', ' ')} in {counts[aspect]}{_values(aspect, changes)}" for aspect in others]
    same = [aspect for aspect in _NUMBERS if not counts[aspect] and (compared is None or aspect in compared)]
    if same and "lr" not in differing:
        parts = listed(aspect.replace("_", " ") for aspect in same)
        texts.append(f"{parts} {verb(len(same), 'is', 'are')} the same")
    return "; ".join(texts)


def presence_sentence(changes: Sequence[Change], compared: frozenset[Aspect] | None) -> str:
    """Return a sentence about tensors that are added, removed, renamed, frozen or reshaped; empty if there are none."""
    counts = Counter(change.aspect for change in changes)
    sides = Counter((one_side(change), change.aspect == "state") for change in changes)
    parts = []
    for side in SIDES:
        if number := sides[side, False]:
            parts.append(f"{count(number, 'tensor')} only {side}")
        if number := sides[side, True]:
            parts.append(f"{count(number, 'tensor')} in a group only {side}")
    on_one_side = bool(parts)
    for frozen, side in ((False, "before"), (True, "after")):
        number = sum(change.aspect == "frozen" and change.after is frozen for change in changes)
        parts += [f"{count(number, 'tensor')} frozen only {side}"] if number else []
    others = sum(change.aspect == "state" and one_side(change) is None for change in changes)
    for number, words in (
        (counts["renamed"], "renamed"),
        (counts["shape"], "of another shape"),
        (others, "in another state"),
    ):
        parts += [f"{count(number, 'tensor')} {words}"] if number else []
    missing = ""
    if on_one_side and compared and not compared.isdisjoint(IN_GROUPS):
        names = listed(sorted(aspect.replace("_", " ") for aspect in compared & {*IN_GROUPS}))
        missing = f"; {names} cannot be compared if only one map has the tensor in a group"
    return "; ".join(parts) + missing


def cause_sentence(
    changes: Sequence[Change],
    settings: Sequence[SettingChange],
    origins: tuple[ConfigOrigins | None, ConfigOrigins | None],
    cause: Cause | None,
    packages: Sequence[PackageChange],
) -> str:
    """Return a sentence with the settings that cause the changes, and the files and lines that set them.

    If ``cause`` is ``stack`` or ``zoo``, the sentence contains the packages that differ instead of settings. If no
    cause is known, the result is an empty string.
    """
    behind: set[str] = set()
    for aspect in {change.aspect for change in changes}:
        behind.update(_BEHIND.get(aspect, ("model.",)))
    several: list[tuple[str, str]] = [
        _setting(each)
        for each in settings
        if each.name.startswith(tuple(behind)) and "not recorded" not in (each.before_unset, each.after_unset)
    ]
    of_model = any(each.name.startswith("model.") for each in settings)
    if "model." in behind and not of_model and all(origins):
        several += _model_options(*origins)
    if cause in ("stack", "zoo"):
        several = [(f"{change.package} {change.before} → {change.after}", "") for change in packages]
    if not several:
        return ""
    named = several[:_NAMED]
    # Name a place once, after the last setting that it sets.
    following = [*(place for _, place in named[1:]), ""]
    parts = [
        f"{text} ({place})" if place and place != after else text
        for (text, place), after in zip(named, following, strict=True)
    ]
    more = [f"{len(several) - _NAMED} more"] if len(several) > _NAMED else []
    return f"Cause: {listed([*parts, *more])}"


def _lr_change(changes: Sequence[Change], pairs: Mapping[str, LrPair]) -> str:
    differing = [change for change in changes if change.aspect == "lr"]
    numbers = [(c.before, c.after) for c in differing if isinstance(c.before, float) and isinstance(c.after, float)]
    factors = [factor for before, after in numbers if (factor := ratio(before, after)) is not None]
    higher, lower = sum(after > before for before, after in numbers), sum(after < before for before, after in numbers)
    texts = [f"{number} {word}" for number, word in ((higher, "higher"), (lower, "lower")) if number]
    if len(texts) == 1 and len(numbers) == len(differing):
        texts = ["all higher" if higher else "all lower"]
    text = f", {' and '.join(texts)}" if texts else ""
    if not factors:
        return text
    mean = ratio(*mean_lrs(pairs[change.parameter] for change in differing if change.parameter in pairs))
    several = mean is not None and factor_text(min(factors)) != factor_text(max(factors))
    average = f" ({factor_text(mean)} on average, weighted by parameters)" if several and mean is not None else ""
    return f"{text}: {factor_span(factors)}{average}"


def _values(aspect: Aspect, changes: Sequence[Change]) -> str:
    """Return ``: 0.05 → 0`` if the aspect has the same change in all tensors; otherwise an empty string."""
    pairs = {shown_change(change.before, change.after) for change in changes if change.aspect == aspect}
    return f": {pairs.pop()}" if aspect in ("weight_decay", "optimizer") and len(pairs) == 1 else ""


def _setting(setting: SettingChange) -> tuple[str, str]:
    """Return the change of a setting, and the file and line that set it: ``("num_layers 6 → 7", "configs/a.py:2")``.

    If the file is unknown, the second text is empty.
    """
    option = setting.after_option or setting.before_option or None
    name = setting.name.rpartition(".options.")[2]
    values = shown_setting(setting)
    if isinstance(setting.before, Mapping) or isinstance(setting.after, Mapping):
        name, values = _entry(setting, name)
    return f"{name} {values}", str(option.origin.place) if option else ""


def _entry(setting: SettingChange, name: str) -> tuple[str, str]:
    """Return the first entry that differs between two dicts: ``("custom_keys.norm.lr_mult", "0.1 → 0.2")``.

    If lrdecay does not know which config file sets the entry, the result is ``("custom_keys", "differs")``.
    """
    old, new = (option or None for option in (setting.before_option, setting.after_option))
    known = new or old
    if known is None:
        return name, "differs"
    entry = name + known.option.partition(name)[2]
    was, now = (option.origin.shown() if option and option.keys == known.keys else "–" for option in (old, new))
    return entry, f"{was} → {now}"


def _model_options(before: ConfigOrigins | None, after: ConfigOrigins | None) -> Iterator[tuple[str, str]]:
    """Yield each option of ``model`` that differs between the two configs, and the file and line that set it.

    The options are read from the text of the config files.
    """
    olds, news = (
        {option.keys: option for option in origins.options(("model",))} if origins else {}
        for origins in (before, after)
    )
    for keys in dict.fromkeys((*olds, *news)):
        old, new = olds.get(keys), news.get(keys)
        if _describe(old) != _describe(new) and (known := new or old):
            yield f"{known.option} {_describe(old)} → {_describe(new)}", str(known.origin.place)


def _describe(option: Option | None) -> str:
    return option.origin.shown() if option else "–"
