"""What is said beside other answers about a config that has settings of MMCV 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrdecay_cli.domain.report import Note


def old_style_note(keys: Sequence[str], config: str) -> Iterator[Note]:
    """One note for top-level names that MMCV 1 read, none if there are none. What to write instead, a rule says."""
    if keys:
        are = "is" if len(keys) == 1 else "are"
        yield Note(
            f"{', '.join(keys)} {are} of mmcv 1, and mmengine reads none of it: lrdecay check {config}", "warning"
        )
