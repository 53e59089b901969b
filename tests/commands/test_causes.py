"""A pull request that changes two numbers of one base gives one finding, at the changed line."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from lxml import etree, html

from lrdecay_cli.app.shell.main import run

DATA = Path(__file__, "../../data").resolve()
LEAVES = [f"configs/c{number:02}.py" for number in range(12)]
BASE = """\
default_scope = 'mmpretrain'
custom_imports = dict(imports=['mmdet.engine.optimizers'])
model = dict(type='ImageClassifier', backbone=dict(type='ConvNeXt', arch='atto'))
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    constructor='mmdet.LearningRateDecayOptimizerConstructor',
    paramwise_cfg=dict(decay_rate={rate}, decay_type='layer_wise', num_layers={layers}))
"""
CAUSE = "decay_rate 0.7 → 0.8, num_layers 6 → 7 since the baseline: lr scale of "


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / ".git").mkdir()
    (folder / "configs/_base_").mkdir(parents=True)
    base = folder / "configs/_base_/convnext.py"
    base.write_text(BASE.format(rate=0.7, layers=6))
    for number, leaf in enumerate(LEAVES):
        (folder / leaf).write_text(
            f"_base_ = './_base_/convnext.py'\noptim_wrapper = dict(optimizer=dict(lr={number + 1}e-4))\n"
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run(["baseline", "configs", "-o", "baselines", "--device", "meta"]) == 0
        base.write_text(BASE.format(rate=0.8, layers=7))
        outputs = [
            f"--output={name}=out.{name}"
            for name in ("text", "json", "github", "sarif", "junit", "concise", "html", "markdown")
        ]
        # An option that changes nothing here; the command that updates the baselines repeats it.
        command = [
            "check",
            "configs",
            "--baseline",
            "baselines",
            "--device",
            "meta",
            "--cfg-options",
            "a=b c",
            *outputs,
        ]
        assert run(command) == 1
    return folder


def test_on_a_terminal_it_is_read_at_once(project: Path) -> None:
    lines = (project / "out.text").read_text().splitlines()
    assert len(lines) <= 20
    assert lines[0] == "configs/_base_/convnext.py"
    assert lines[1].startswith(f"  error: LRD701 differs-from-baseline: {CAUSE}")
    assert "9 more" in lines[3]
    place = "option   optim_wrapper.paramwise_cfg.decay_rate, set at configs/_base_/convnext.py:7"
    assert place in map(str.strip, lines)
    assert sum(line.startswith("  error: ") for line in lines) == 1
    assert sum(line.lstrip().startswith("why ") for line in lines) == sum(
        line.startswith(("  error: ", "  warning: ")) for line in lines
    )
    # Beside errors, an info shows only its message and fix; -v shows everything.
    info = next(index for index, line in enumerate(lines) if line.startswith("  info: "))
    assert [line.split()[0] for line in lines[info + 1 : info + 3]] == ["configs", "fix"]


def test_each_format_has_one_finding_for_the_cause(project: Path) -> None:
    findings = json.loads((project / "out.json").read_text())["findings"]
    differing = [finding for finding in findings if finding["code"] == "LRD701"]
    assert [finding["config"] for finding in differing] == LEAVES
    assert differing[0]["fix"] == (
        f"see all differences with: lrdecay diff baselines/{LEAVES[0].replace('.py', '.txt')} {LEAVES[0]}"
        " --cfg-options 'a=b c'; if they are intended, run:"
        " lrdecay baseline --update -o baselines --cfg-options 'a=b c'"
    )
    assert {finding["place"]["line"] for finding in differing} == {7}

    column = BASE.splitlines()[6].index("decay_rate") + 1
    concise = [line for line in (project / "out.concise").read_text().splitlines() if " LRD701 " in line]
    assert [line.startswith(f"configs/_base_/convnext.py:7:{column}: LRD701 {CAUSE}") for line in concise] == [True]
    assert concise[0].endswith("(12 configs)")

    github = [line for line in (project / "out.github").read_text().splitlines() if "LRD701" in line]
    assert len(github) == 1
    assert github[0].startswith(f"::error file=configs/_base_/convnext.py,line=7,col={column},")

    document = json.loads((project / "out.sarif").read_text())
    jsonschema.Draft4Validator(json.loads((DATA / "sarif-2.1.0.json").read_text())).validate(document)
    (cause,) = (each for each in document["runs"][0]["results"] if each["ruleId"] == "LRD701")
    physical = cause["locations"][0]["physicalLocation"]
    assert (physical["artifactLocation"]["uri"], physical["region"]["startLine"]) == ("configs/_base_/convnext.py", 7)
    related = [each["physicalLocation"]["artifactLocation"]["uri"] for each in cause["relatedLocations"]]
    assert related == LEAVES

    page = html.fromstring((project / "out.html").read_text())
    assert page.find(".//div[@class='of-config']/h3").text_content() == "configs/_base_/convnext.py"
    (article,) = (each for each in page.iter("article") if "LRD701" in each.text_content())
    text = article.text_content()
    assert CAUSE in text
    assert "set at configs/_base_/convnext.py:7" in text
    assert all(leaf in text for leaf in LEAVES)
    assert (project / "out.markdown").read_text().count("**LRD701 ") == 1

    junit = etree.fromstring((project / "out.junit").read_bytes())
    (suite,) = (each for each in junit if each.get("name") == "configs/_base_/convnext.py")
    assert [case.get("name") for case in suite.findall("testcase[failure]")] == ["LRD701 differs-from-baseline"]
