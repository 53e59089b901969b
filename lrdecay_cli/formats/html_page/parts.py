"""Define the parts of an HTML page and their order, for each class of result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lrdecay_cli.domain.change import Difference
from lrdecay_cli.domain.finding import CheckResult
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.report import AnyResult, Report
from lrdecay_cli.domain.schedule import Schedule
from lrdecay_cli.domain.suggestion import Suggestion
from lrdecay_cli.domain.training_run import TrainingRun
from lrdecay_cli.formats.html_page import map_parts, record_parts


class Part(NamedTuple):
    """A section of a page: its template ``templates/<name>.html``, its data, styles and scripts."""

    name: str
    """Used as the template's name, the section's id, and the key of the section's data in the scripts' ``DATA``."""
    title: str
    """Heading of the section, also in the table of contents; empty for parts at the top of the page."""
    context: Callable[[AnyResult], dict[str, Any]] = lambda _: {}
    """Function that returns data for the template, which also gets the report."""
    data: Callable[[AnyResult], Any] | None = None
    """Function that returns the data for the scripts; None if the scripts need no data."""
    styles: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()


class Page(NamedTuple):
    """The content of a page: its title and its parts in order."""

    kind: str
    """What the page shows, in one or two words, such as "Scan"."""
    title: str
    """The config or other source that the page is about."""
    parts: tuple[Part, ...]


FACTS = Part("facts", "")
NOTES = Part("notes", "Notes", scripts=("notes",))
TABLES = Part("tables", "Tables")
SECTIONS = Part("sections", "Details", styles=("findings",))
PAGES = Part("pages", "Pages", styles=("code",))
CHART = Part("chart", "Over the run", data=record_parts.chart_data, styles=("chart",), scripts=("axes", "chart"))
CODE = Part("code", "To paste", styles=("code",), scripts=("copy",))
TILES = Part("tiles", "", map_parts.tiles)
PICTURE = Part(
    "picture",
    "Depth and rate",
    map_parts.picture,
    styles=("picture",),
    scripts=("parameter_data", "axes", "picture_drawing", "picture"),
)
GROUPS = Part("groups", "Groups", map_parts.groups, scripts=("parameter_data", "groups"))
MODULES = Part("modules", "Modules", styles=("tree",), scripts=("parameter_data", "tree"))
PARAMETERS = Part(
    "parameters",
    "Parameters",
    map_parts.parameters,
    map_parts.data,
    styles=("dialog",),
    scripts=("parameter_data", "dialog", "provenance", "parameters"),
)
SETTINGS = Part("settings", "Settings", record_parts.settings)
CHANGES = Part(
    "changes",
    "Changes",
    record_parts.changes,
    record_parts.changes_data,
    styles=("dialog", "changes"),
    scripts=("dialog", "changes"),
)
COMING = Part("coming", "Future learning rates", record_parts.coming)
FINDINGS = Part(
    "findings",
    "Findings",
    record_parts.findings,
    record_parts.findings_data,
    styles=("findings",),
    scripts=("findings",),
)
CONFIGS = Part("configs", "Configs", record_parts.configs, scripts=("configs",))
MAP = (PICTURE, GROUPS, MODULES, PARAMETERS)
_KINDS = {
    "Scan": "Scan",
    "RulePages": "Rules",
    "BaselineResult": "Baselines",
    "Explanations": "Explanation",
    "WhyNot": "Explanation",
    "DryRun": "Dry run",
    "Origins": "Options",
    "StackDifference": "Environments",
    "Diagnosis": "Installation",
}
"""``Page.kind`` for each class of document without special parts, for example ``Dry run`` for ``DryRun``."""


def page_of(result: AnyResult) -> Page:
    """Return the page for a result. The class of the result's document determines the parts of the page.

    For a class without special parts, the page shows everything in the report, such as facts, tables and notes.
    """
    document, report = result.document, result.report
    if isinstance(document, GroupMap):
        return Page("Parameter groups", document.config.path, _with_content((TILES, FACTS, NOTES, *MAP), report))
    if isinstance(document, Difference):
        title = f"{document.before_source} \u2192 {document.after_source}"
        maps = (PICTURE, PARAMETERS._replace(title="Parameters after")) if result.maps else ()
        return Page("Difference", title, _with_content((CHANGES, COMING, SETTINGS, NOTES, *maps), report))
    if isinstance(document, CheckResult):
        names = document.configs
        title = names[0] if len(names) == 1 else f"{len(names):,} configs"
        alone = len(result.maps) == 1 and not document.unjudged
        parts = (TABLES, FINDINGS, NOTES, *(MAP if alone else (CONFIGS,)))
        return Page("Findings", title, _with_content(parts, report))
    if isinstance(document, Schedule):
        return Page("Schedule", document.config.path, _with_content((CHART, TABLES, NOTES, FACTS), report))
    if isinstance(document, TrainingRun):
        return Page("Training", document.work_dir, _with_content((NOTES, CHART, TABLES, FACTS), report))
    if isinstance(document, Suggestion):
        return Page("Suggestion", document.config.path, _with_content((FACTS, NOTES, CODE, TABLES), report))
    parts = (FACTS, SECTIONS, CHART, TABLES, PAGES, NOTES, CODE)
    return Page(_KINDS.get(type(document).__name__, "Report"), report.summary, _with_content(parts, report))


def _with_content(parts: tuple[Part, ...], report: Report) -> tuple[Part, ...]:
    absent = {
        NOTES.name: not report.notes,
        TABLES.name: not report.tables,
        COMING.name: len(report.tables) < 2,
        FACTS.name: not report.facts,
        SECTIONS.name: not report.sections,
        PAGES.name: not report.pages,
        CHART.name: report.chart is None,
        CODE.name: not report.code,
    }
    return tuple(part for part in parts if not absent.get(part.name))
