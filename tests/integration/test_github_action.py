"""The composite action: validate it with GitHub's own schema, and run its shell steps."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.checking.maps import decay_map, write

ROOT = Path(__file__, "../../..").resolve()
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}

Step = Callable[..., tuple[int, str]]


def test_its_form() -> None:
    """Validate with the schema that check-jsonschema contains."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def test_no_input_is_pasted_into_a_script() -> None:
    for step in STEPS.values():
        assert "${{" not in step.get("run", "")


@pytest.fixture
def step(tmp_path: Path) -> Step:
    """Run a step's script as the runner does, with these inputs; return the exit code and the output."""
    (tmp_path / ".git").mkdir()
    # The action's python is the interpreter of these tests.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "bin/python").chmod(0o755)

    def run(name: str, *, code: str = "", repository: str = "", **inputs: str) -> tuple[int, str]:
        values = {f"inputs.{key}": declared.get("default", "") for key, declared in ACTION["inputs"].items()}
        values |= {f"inputs.{key.replace('_', '-')}": value for key, value in inputs.items()}
        values |= {"github.action_path": str(ROOT), "steps.check.outputs.exit-code": code}
        values |= {"github.server_url": "https://example.org", "github.action_ref": "v1"}
        values["github.action_repository"] = repository
        given = {
            key: re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda match: values[match[1]], value)
            for key, value in STEPS[name]["env"].items()
        }
        environment = {
            **os.environ,
            **given,
            "PATH": f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        }
        # GitHub's runner starts "shell: bash" like this.
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize(
    ("wrong", "inputs", "code"),
    [
        (False, {}, "0"),
        (True, {}, "1"),
        (True, {"settings": "exit zero.toml"}, "0"),
        (True, {"targets": "maps/$(touch${IFS}hacked).json\nmaps/it's.json"}, "1"),
        (False, {"targets": "; touch hacked"}, "2"),
        (False, {"targets": "--exit-zero"}, "2"),
        (False, {"baseline": "golden"}, "2"),
        (False, {"fail_on": "fatal"}, "2"),
    ],
)
def test_the_check_and_its_verdict(wrong: bool, inputs: dict[str, str], code: str, tmp_path: Path, step: Step) -> None:
    for name in ("a", "$(touch${IFS}hacked)", "it's"):
        write(tmp_path / f"maps/{name}.json", decay_map(wrong=wrong, config=f"configs/{name}.py"))
    (tmp_path / "exit zero.toml").write_text('select = ["LRD301"]\nexit-zero = true')
    (tmp_path / "lrdecay.toml").write_text('select = ["LRD301"]')
    ended, printed = step("Check", **{"targets": "maps", **inputs})
    assert ended == 0, printed
    assert (tmp_path / "output").read_text() == f"exit-code={code}\n"
    assert not (tmp_path / "hacked").exists()
    assert step("Verdict", code=code)[0] == int(code)
    if code == "2":
        assert re.search("^lrdecay: |could not be checked", printed, re.MULTILINE)
        return
    # The three maps have the same finding, which is reported once.
    annotations = re.findall(r"^::error file=maps/.+\.json,line=1,title=LRD301 .*configs/a\.py", printed, re.MULTILINE)
    assert len(annotations) == (wrong and "targets" not in inputs)
    summary = (tmp_path / "summary").read_text()
    assert summary.startswith("## lrdecay check\n")
    assert ("LRD301" in summary) is wrong
    (run,) = json.loads((tmp_path / "lrdecay.sarif").read_text())["runs"]
    assert bool(run["results"]) is wrong


def test_rules_link_to_the_repository_of_the_action(tmp_path: Path, step: Step) -> None:
    write(tmp_path / "maps/a.json", decay_map(wrong=True))
    for repository, page in (("team/lrdecay", "https://example.org/team/lrdecay/blob/v1/docs/rules.md"), ("", None)):
        step("Check", targets="maps", repository=repository)
        (run,) = json.loads((tmp_path / "lrdecay.sarif").read_text())["runs"]
        addresses = {rule.get("helpUri", "#").partition("#")[0] or None for rule in run["tool"]["driver"]["rules"]}
        assert addresses == {page}


def test_the_installation(tmp_path: Path, step: Step) -> None:
    """With the real pip, into a folder: the script decides the source and the extras."""
    (tmp_path / "bin/python").write_text(
        f'#!/bin/sh\nexec {sys.executable} "$@" --dry-run --no-deps --no-build-isolation --target "{tmp_path}/there"\n'
    )
    script = STEPS["Install lrdecay"]["run"]
    assert script.startswith("python -m pip install ")
    ended, printed = step("Install lrdecay", extras="stack")
    assert ended == 0, printed


def test_the_upload_is_for_code_scanning() -> None:
    upload = STEPS["Upload to code scanning"]
    assert upload["uses"].startswith("github/codeql-action/upload-sarif@")
    assert upload["with"]["sarif_file"] == "${{ inputs.sarif-file }}"
