"""docs/python.md: its table contains all public names, and every example works."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest
import torch

import lrdecay_cli
from tests.commands.running import SAMPLES, lrdecay_here

PAGE = SAMPLES.parent / "docs" / "python.md"
ROWS = re.findall(r"^\| `(\w+)` \|[^|]+\| `(.+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
NAMES = {name: getattr(lrdecay_cli, name) for name in lrdecay_cli.__all__}


def test_the_table_has_every_name() -> None:
    assert {name for name, _ in ROWS} == {*lrdecay_cli.__all__} - {"__version__"}
    assert dir(lrdecay_cli) == sorted(lrdecay_cli.__all__)
    for name, code in ROWS:
        assert name in code or name in ("GroupMap", "CheckResult")


@pytest.mark.parametrize("code", [code for _, code in ROWS])
def test_an_example_of_the_table(code: str, project: Path, toy_map: lrdecay_cli.GroupMap) -> None:
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    assert eval(code, {**NAMES, "group_map": toy_map, "model": model, "optimizer": optimizer})


def test_the_examples_of_the_page(project: Path) -> None:
    output: list[str] = []
    names = {**NAMES}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    # Python blocks and console blocks alternate.
    for part in re.split(r"^(```console\n.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL):
        if part.startswith("```console"):
            for command in re.findall(r"^\$ lrdecay (.*)", part, re.MULTILINE):
                assert lrdecay_here(*shlex.split(command)).code == 0, command
            continue
        # A block ends at its closing fence.
        page = doctest.DocTestParser().get_doctest(part.replace("```", ""), {}, "python.md", str(PAGE), 0)
        page.globs = names
        runner.run(page, out=output.append, clear_globs=False)
    total = runner.summarize(verbose=False)
    assert total.failed == 0, "".join(output)
    assert total.attempted > 15


def test_the_test_of_the_page(project: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {"lrdecay_cli": lrdecay_cli}
    exec(block, names)
    names["test_layer_decay"]()  # type: ignore[operator]


def test_links_of_the_page() -> None:
    for target in re.findall(r"\]\(([^)#]+)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / target).exists(), target
    rules = (PAGE.parent / "rules.md").read_text(encoding="utf-8")
    for anchor in re.findall(r"rules\.md#(\S+?)\)", PAGE.read_text(encoding="utf-8")):
        code, _, name = anchor.partition("-")
        assert f"## {code.upper()} {name}\n" in rules
