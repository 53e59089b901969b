"""Find configs of a scan whose layer ids, lrs or weight decays differ from most configs with the same backbone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from lrdecay_cli.constructors import short_name
from lrdecay_cli.domain.report import Note
from lrdecay_cli.domain.scan import OK, ScanRecord

_FEWEST = 3
"""Minimum number of configs to compare. If there are only two and they differ, either may be the outlier."""
_SHOWN = 8
_WORDS = {
    "layer ids": "other layer ids",
    "lr scales": "other lr scales",
    "weight decays": "other weight decays",
    "base lr": "another base lr",
}


def outliers_of(records: Sequence[ScanRecord], *, verbose: bool = False) -> tuple[frozenset[str], tuple[Note, ...]]:
    """Return the names of the outliers, and a note for each backbone that has outliers.

    Configs are compared if they have the same constructor, backbone and tensor names. An outlier has other settings
    than most of the compared configs. With ``verbose``, the notes list every outlier.
    """
    comparable: dict[tuple[str | None, ...], list[ScanRecord]] = {}
    for record in records:
        if record.status == OK and record.settings:
            key = (record.backbone, record.constructor, record.constructor_module, record.settings["names"])
            comparable.setdefault(key, []).append(record)
    outliers: list[str] = []
    notes = []
    for having in comparable.values():
        counted = Counter(tuple(record.settings.items()) for record in having)
        settings, alike = counted.most_common(1)[0]
        if len(having) < _FEWEST or alike * 2 <= len(having) or alike == len(having):
            continue
        usual = dict(settings)
        other: dict[str, list[str]] = {}
        for record in having:
            if differing := _differing(usual, record.settings):
                other.setdefault(" and ".join(differing), []).append(record.config)
        parts = "; ".join(f"{len(configs)} with {words}" for words, configs in other.items())
        names = [f"{config}: {words}" for words, configs in other.items() for config in configs]
        outliers += [config for configs in other.values() for config in configs]
        first = having[0]
        family = f"{first.backbone or 'no backbone'}, {short_name(first.constructor or '', first.constructor_module)}"
        text = f"{family}: {alike} configs with the same settings; {parts}"
        notes.append(Note(text, "warning", shortened(names, verbose)))
    return frozenset(outliers), tuple(notes)


def shortened(lines: Sequence[str], verbose: bool) -> tuple[str, ...]:
    """Return the first eight lines and a line with the number of omitted lines; all lines if ``verbose``."""
    if verbose or len(lines) <= _SHOWN:
        return tuple(lines)
    return (*lines[:_SHOWN], f"… {len(lines) - _SHOWN} more with -v")


def _differing(usual: Mapping[str, str], settings: Mapping[str, str]) -> list[str]:
    differing = [key for key, value in settings.items() if usual[key] != value]
    # An lr scale follows from the layer id.
    return [_WORDS[key] for key in differing if key != "lr scales" or "layer ids" not in differing]
