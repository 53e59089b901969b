"""The report of ``doctor``: installed packages, conflicts, and packages that some configs need."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.doctor.known import LIBRARIES
from lrdecay_cli.domain.diagnosis import Diagnosis, Package
from lrdecay_cli.domain.report import Column, Note, Report, Result, Table
from lrdecay_cli.text.counting import count, listed, verb

_PACKAGES = (
    Column("package", "package", "name"),
    Column("version", "version"),
    Column("installed_as", "installed as"),
    Column("remark", "remark"),
)
_NEEDS = (Column("package", "package", "name"), Column("configs", "configs"))
_TRIALS = (Column("tried", "tried", "name"), Column("outcome", "outcome"))
_ISSUES = (
    Column("severity", "severity", "name"),
    Column("package", "package", "name"),
    Column("problem", "problem"),
    Column("why", "why"),
    Column("command", "command"),
)


def report(diagnosis: Diagnosis) -> Result[Diagnosis]:
    """Return the report on a diagnosis. As CSV, it contains only the issues."""
    facts = [("lrdecay", diagnosis.tool.version), ("python", f"{diagnosis.python} on {diagnosis.platform}")]
    if diagnosis.devices is not None:
        devices = ", ".join(f"{each.name} ({each.description})" for each in diagnosis.devices)
        facts.append(("devices", devices or "none"))
    notes = [
        Note(issue.line(), issue.severity, (issue.command,) if issue.command else (), to_copy=True)
        for issue in diagnosis.issues
    ]
    if diagnosis.needs:
        commands = dict.fromkeys(need.command for need in diagnosis.needs)
        notes.append(
            Note("to build the configs that need a missing package, install:", "info", tuple(commands), to_copy=True)
        )
    shown = Report(
        facts=tuple(facts),
        tables=tuple(_tables(diagnosis)),
        notes=tuple(notes),
        summary=_summary(diagnosis),
        rows=Table(
            "",
            _ISSUES,
            tuple((each.severity, each.package, each.problem, each.why, each.command) for each in diagnosis.issues),
        ),
    )
    return Result(diagnosis, shown)


def _tables(diagnosis: Diagnosis) -> Iterator[Table]:
    installed = tuple(
        (each.name, each.version, ", ".join(each.distributions) or each.location, _remark(each, diagnosis))
        for each in diagnosis.packages
    )
    yield Table("Installed", _PACKAGES, installed)
    if diagnosis.trials is not None:
        rows = tuple((each.subject, each.outcome if each.ok else f"fails: {each.outcome}") for each in diagnosis.trials)
        yield Table("Trials", _TRIALS, rows)
    needed = tuple(
        (need.package, f"{need.zoo}: {', '.join(need.folders)}{f' ({need.which})' if need.which else ''}")
        for need in diagnosis.needs
    )
    yield Table("Packages that some configs need and that are not installed", _NEEDS, needed)


def _remark(package: Package, diagnosis: Diagnosis) -> str:
    severities = (issue.severity for issue in diagnosis.issues if issue.package == package.name)
    remarks = [str(severity) for severity in severities if severity != "info"][:1]
    if package.build:
        remarks.append(f"built for {package.build}")
    if any(stub.name.split(".")[0] == package.name for stub in diagnosis.stubs):
        remarks.append("operators are stubbed")
    return ", ".join(remarks) or "ok"


def _summary(diagnosis: Diagnosis) -> str:
    if not diagnosis.usable:
        errors = [issue for issue in diagnosis.issues if issue.severity == "error"]
        first = next((issue.command for issue in errors if issue.command), None)
        return f"not usable: {count(len(errors), 'error')}" + (f"; start with: {first}" if first else "")
    libraries = [each for each in diagnosis.packages if each.name in LIBRARIES]
    named = listed(f"{each.name} {each.version}" for each in libraries)
    if diagnosis.trials is not None:
        return f"usable: lrdecay imported {named} and built a model of each zoo"
    fit = f"{named} {verb(len(libraries), 'fits', 'fit')} the other packages"
    return f"usable: {fit}; --full imports and tests all packages"
