"""``python -m tests.compatibility.with_stack``: print one row of docs/compatibility.md for the current environment.

The row contains the results of doctor and doctor --full, and of inspect for Mask R-CNN on ConvNeXt-T and Faster R-CNN
on ResNet-50. Equal groups have equal digests in every environment. Exchange a package first: ``pip install --no-deps
mmdet==3.1.0``.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__, "../../..").resolve()
CONFIGS = ("sample_configs/convnext-t_layer-wise.py", "sample_configs/resnet-50_default.py")
STACK = re.compile(r"(.*-)?(mmengine|mmcv|mmdet(ection)?|mmpretrain|mmcls)\b.*|transformers|numpy|setuptools")


def main() -> None:
    """Run the commands and print the result of each."""
    print("|", " | ".join([_versions(), _doctor(), _doctor("--full"), *map(_inspect, CONFIGS)]), "|", flush=True)


def _versions() -> str:
    found = {
        str(distribution.name): distribution.version
        for distribution in metadata.distributions()
        if STACK.fullmatch(str(distribution.name))
    }
    return ", ".join(f"{name} {found[name]}" for name in sorted(found))


def _doctor(*options: str) -> str:
    code, output, complaint = _lrdecay("doctor", *options, "--format", "json")
    if not output:
        return f"exit {code}: {complaint}"
    issues = [issue for issue in json.loads(output)["issues"] if issue["severity"] != "info"]
    return f"exit {code}" + "".join(f"; {issue['severity']}: {issue['problem']}: {issue['why']}" for issue in issues)


def _inspect(config: str) -> str:
    code, output, complaint = _lrdecay("inspect", config, "--no-cache", "--format", "json")
    if code:
        return f"exit {code}: {complaint}"
    group_map = json.loads(output)
    groups = json.dumps([group_map[key] for key in ("groups", "frozen", "missing", "duplicates")])
    digest = hashlib.sha256(groups.encode()).hexdigest()[:8]
    return f"{len(group_map['groups'])} groups of {group_map['model']['totals']['tensors']} tensors ({digest})"


def _lrdecay(*arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "lrdecay_cli", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, " / ".join(done.stderr.splitlines())


if __name__ == "__main__":
    main()
