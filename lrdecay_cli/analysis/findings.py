"""Convert findings of rules to notes, for the reports of commands other than ``check``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lrdecay_cli.domain.finding import Finding
from lrdecay_cli.domain.report import Note
from lrdecay_cli.text.counting import count
from lrdecay_cli.text.name_patterns import fold_names


def finding_notes(findings: Iterable[Finding]) -> Iterator[Note]:
    """Yield a note for each finding. The note contains code, name, message, parameter patterns and fix."""
    for finding in findings:
        yield Note(headline(finding), finding.severity, (*finding.patterns, f"fix: {finding.fix}"))


def notes_among(findings: Iterable[Finding], chosen: Sequence[str], universe: Sequence[str]) -> Iterator[Note]:
    """Yield notes only for findings that affect one of the ``chosen`` parameters."""
    wanted = set(chosen)
    for finding in findings:
        shown = [name for name in finding.parameters if name in wanted]
        if finding.parameters and not shown:
            continue
        here = f" (here for {len(shown)} of {count(len(finding.parameters), 'tensor')})"
        folded = fold_names(shown, universe)
        patterns = (f"{pattern}  ({count(len(members), 'tensor')})" for pattern, members in folded)
        yield Note(
            headline(finding) + (here if len(shown) < len(finding.parameters) else ""),
            finding.severity,
            (*patterns, f"fix: {finding.fix}"),
        )


def headline(finding: Finding) -> str:
    """Return code, name and message of a finding."""
    return f"{finding.code} {finding.name}: {finding.message}"
