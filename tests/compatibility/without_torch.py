"""``python -m tests.compatibility.without_torch``: print one row of docs/compatibility.md for the current environment.

It runs the tests that need no torch, and times a command. The environment has lrdecay without extras, pytest,
hypothesis, jsonschema, lxml, jinja2, matplotlib and numpy.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from statistics import median

from lrdecay_cli.files import to_json, write_text
from tests.group_maps import group_map

ROOT = Path(__file__, "../../..").resolve()
TESTS = (
    *("tests/analysis", "tests/checking", "tests/compatibility", "tests/decay", "tests/doctor", "tests/files"),
    *("tests/formats", "tests/hardening/test_mutated_files.py"),
    *("tests/commands/test_entry.py", "tests/commands/test_help.py"),
)
NEED_MORE = (
    *("tests/analysis/test_explaining.py", "tests/decay/test_against_*.py", "tests/formats/test_html_*.py"),
    *("tests/decay/constructors/test_against_the_stack.py", "tests/decay/constructors/test_custom_keys.py"),
    "tests/doctor/test_needs.py",
)
"""Files whose tests need torch and mmdet, or a browser."""
ASK_THE_STACK = (
    *("test_this_environment", "test_interrupt", "test_pip_agrees"),
    *("test_limits_of_the_installed", "test_a_base_of_the_zoo"),
)
"""Tests in other files that need torch and mmdet, or a browser."""
RUNS = 21


def main() -> int:
    """Print the row; the exit code is that of the tests."""
    ignored = [f"--ignore-glob={ROOT / pattern}" for pattern in NEED_MORE]
    chosen = f"not ({' or '.join(ASK_THE_STACK)})"
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", *TESTS, *ignored, "-k", chosen, "-p", "no:cacheprovider"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tests.returncode:
        print(tests.stdout, tests.stderr, file=sys.stderr)
    versions = [f"{name} {metadata.version(name)}" for name in ("typer", "rich", "msgspec")]
    outcome = tests.stdout.rstrip().rpartition("\n")[2]
    print("|", " | ".join([platform.python_version(), *versions, outcome, f"{_start_up():.0f} ms"]), "|", flush=True)
    return tests.returncode


def _start_up() -> float:
    """Return the median CPU time of ``lrdecay diff`` of two small maps, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "map.json")
        write_text(file, to_json(group_map({"decay": {"parameters": {"conv.weight": (8, 3)}}})))
        command = [sys.executable, "-m", "lrdecay_cli", "diff", str(file), str(file)]
        script = (
            "import json, resource, subprocess, sys\n"
            f"subprocess.run({command!r}, check=True, stdout=subprocess.DEVNULL)\n"
            "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
            "print(json.dumps(1000 * (used.ru_utime + used.ru_stime)))"
        )
        results = [
            subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True).stdout
            for _ in range(RUNS)
        ]
    return median(map(json.loads, results))


if __name__ == "__main__":
    sys.exit(main())
