"""Create the JSON Schemas of lrdecay's documents from the classes of their records."""

from __future__ import annotations

from typing import Any

import msgspec

from lrdecay_cli.domain.change import BASELINE_SCHEMA_VERSION, DIFFERENCE_SCHEMA_VERSION, BaselineResult, Difference
from lrdecay_cli.domain.diagnosis import DIAGNOSIS_SCHEMA_VERSION, Diagnosis
from lrdecay_cli.domain.dry_run import DRY_RUN_SCHEMA_VERSION, DryRun
from lrdecay_cli.domain.explanation import EXPLANATION_SCHEMA_VERSION, Explanations
from lrdecay_cli.domain.finding import CHECK_SCHEMA_VERSION, RULES_SCHEMA_VERSION, CheckResult, RulePages
from lrdecay_cli.domain.group_map import SCHEMA_VERSION, GroupMap
from lrdecay_cli.domain.origins import ORIGINS_SCHEMA_VERSION, Origins
from lrdecay_cli.domain.scan import SCAN_SCHEMA_VERSION, Scan
from lrdecay_cli.domain.schedule import SCHEDULE_SCHEMA_VERSION, Schedule
from lrdecay_cli.domain.stack_difference import STACKS_SCHEMA_VERSION, StackDifference
from lrdecay_cli.domain.suggestion import SUGGESTION_SCHEMA_VERSION, Suggestion
from lrdecay_cli.domain.training_run import TRAINING_RUN_SCHEMA_VERSION, TrainingRun

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DOCUMENTS: dict[str, tuple[type, int]] = {
    "map": (GroupMap, SCHEMA_VERSION),
    "explain": (Explanations, EXPLANATION_SCHEMA_VERSION),
    "where": (Origins, ORIGINS_SCHEMA_VERSION),
    "diff": (Difference, DIFFERENCE_SCHEMA_VERSION),
    "diff-stacks": (StackDifference, STACKS_SCHEMA_VERSION),
    "check": (CheckResult, CHECK_SCHEMA_VERSION),
    "schedule": (Schedule, SCHEDULE_SCHEMA_VERSION),
    "dry-run": (DryRun, DRY_RUN_SCHEMA_VERSION),
    "run": (TrainingRun, TRAINING_RUN_SCHEMA_VERSION),
    "baseline": (BaselineResult, BASELINE_SCHEMA_VERSION),
    "rules": (RulePages, RULES_SCHEMA_VERSION),
    "scan": (Scan, SCAN_SCHEMA_VERSION),
    "suggest": (Suggestion, SUGGESTION_SCHEMA_VERSION),
    "doctor": (Diagnosis, DIAGNOSIS_SCHEMA_VERSION),
}
"""For each document with a schema: the class of the record, and the version of the format."""


def document_schema(document: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a document in ``DOCUMENTS``. The schema allows no additional keys."""
    written, version = DOCUMENTS[document]
    schema = msgspec.json.schema(written)
    schema["$defs"][written.__name__]["properties"]["schema_version"] = {"const": version}
    return {"$schema": DIALECT, "title": f"lrdecay {document}, version {version}", **schema}
