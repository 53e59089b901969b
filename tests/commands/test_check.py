"""``lrdecay check``: exit codes in every format, checked targets, and output."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lrdecay_cli.formats import FORMATS, suits
from tests.checking.maps import decay_map, write
from tests.commands.running import COMMAND, SAMPLES, Run, lrdecay

# On maps as small as these, other rules have findings too.
ONLY = ("--select", "LRD301,LRD7,LRD9")
CHECK_FORMATS = [name for name in FORMATS if suits(name, "check")]
every_format = pytest.mark.parametrize("format_name", CHECK_FORMATS)


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    """A folder with a clean map, one with an error, and one that is broken."""
    write(tmp_path / "maps/clean.json", decay_map(config="configs/clean.py"))
    write(tmp_path / "maps/wrong.json", decay_map(wrong=True, config="configs/wrong.py"))
    (tmp_path / "maps/broken.json").write_text('{"schema_version": 1, "groups": 3}')
    return tmp_path / "maps"


CODES = {
    "clean": (["maps/clean.json"], 0),
    "suppressed": (["maps/wrong.json", "--settings", "suppress.toml"], 0),
    "below --fail-on": (["maps/wrong.json", "--settings", "mild.toml", "--ignore", "LRD301"], 0),
    "--exit-zero": (["maps/wrong.json", "--exit-zero"], 0),
    "findings": (["maps/clean.json", "maps/wrong.json"], 1),
    "at --fail-on": (["maps/wrong.json", "--settings", "mild.toml", "--ignore", "LRD301", "--fail-on", "warning"], 1),
    "statistics": (["maps/wrong.json", "--statistics"], 1),
    "broken": (["maps/broken.json"], 2),
    "broken, --exit-zero": (["maps/broken.json", "--exit-zero"], 2),
    "missing": (["maps/nowhere.json"], 2),
    "nothing there": (["empty"], 2),
    "unknown rule": (["maps/clean.json", "--select", "LRD999"], 2),
    "unknown severity": (["maps/clean.json", "--fail-on", "fatal"], 2),
    "no baseline": (["maps/clean.json", "--baseline", "nowhere"], 2),
    "no baseline for one, --exit-zero": (
        ["maps/clean.json", "maps/wrong.json", "--baseline", "golden", "--exit-zero"],
        2,
    ),
    "usage": (["maps/clean.json", "--nonsense"], 2),
    "settings": (["maps/clean.json", "--settings", "odd.toml"], 2),
}


@every_format
@pytest.mark.parametrize("name", CODES)
def test_exit_code_is_the_same_in_every_format(name: str, format_name: str, maps: Path, here: Run) -> None:
    root = maps.parent
    (root / "empty").mkdir()
    (root / "suppress.toml").write_text('[[suppress]]\nrule = "LRD301"\nreason = "known"')
    (root / "mild.toml").write_text('[[assert]]\nparameters = "backbone"\nlr_scale = "<= 1"\nseverity = "warning"')
    (root / "odd.toml").write_text("slect = 1")
    write(root / "golden/configs/clean.json", decay_map(config="configs/clean.py"))
    arguments, code = CODES[name]
    result = here("check", *ONLY, *arguments, "--format", format_name)
    assert result.code == code, result
    assert "Traceback" not in result.err
    if code == 2 and not result.out:
        assert re.fullmatch(r"lrdecay: [^\n]+\n", result.err)
    else:
        assert result.err == ""
        assert result.out or format_name == "ndjson"


@every_format
def test_interrupted(format_name: str) -> None:
    command = [*COMMAND, "check", "-", "--format", format_name]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=SAMPLES.parent,
        # A shell that runs the tests may ignore Ctrl-C, and children inherit this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdin is not None
    # More than the pipe can buffer: after this write, the command is reading.
    process.stdin.write(" " * 200_000)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (130, "", "lrdecay: interrupted\n")


def test_maps_are_checked_without_torch(maps: Path) -> None:
    write(maps.parent / "baselines/configs/wrong.json", decay_map(config="configs/wrong.py"))
    (maps.parent / "lrdecay.toml").write_text('[[assert]]\nparameters = "head"\nlr = 0.1')
    arguments = ["check", "maps/clean.json", "maps/wrong.json", "--exit-zero", "--output", "sarif=a.sarif"]
    script = (
        "import sys\nfrom lrdecay_cli.app.shell.main import run\n"
        f"codes = [run({[*arguments, *ONLY, '-o', 'junit=a.xml', '-o', 'github=a.txt']!r}),"
        " run(['check', 'maps/wrong.json', '--baseline', 'baselines', '--select', 'LRD7']), run(['rule', '--all']),"
        " run(['baseline', 'maps/clean.json', '-o', 'golden'])]\n"
        "heavy = [m for m in ('torch', 'mmengine', 'mmcv', 'mmdet', 'numpy', 'rich', 'jinja2') if m in sys.modules]\n"
        "print(codes, heavy, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=maps.parent,
        env={"PYTHONPATH": str(SAMPLES.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "[0, 1, 0, 0] []"


def test_several_formats_at_once_say_the_same(maps: Path, here: Run) -> None:
    outputs = {name: maps.parent / f"report.{name}" for name in CHECK_FORMATS}
    options = [part for name, path in outputs.items() for part in ("--output", f"{name}={path}")]
    result = here("check", *ONLY, maps / "wrong.json", *options, "--format", "json")
    assert result.code == 1
    assert outputs["json"].read_text() == result.out
    assert all("LRD301" in path.read_text() for path in outputs.values())
    alone = here("check", *ONLY, maps / "wrong.json", "--format", "json")
    assert alone.out == result.out


def test_a_person_can_read_it(maps: Path, here: Run) -> None:
    result = here("check", *ONLY, maps / "clean.json", maps / "wrong.json")
    assert result.out == (
        "configs/wrong.py\n"
        "  error: LRD301 scale-above-one: group layer_1_decay trains faster than the base lr, up to 2 times, with a "
        "decay rate of 0.7\n"
        "      backbone.stages.*\n"
        "      option  optim_wrapper.paramwise_cfg.num_layers\n"
        "      why     Layers that should train slower than the head train faster. These layers lose their pretrained "
        "weights in the first epochs.\n"
        "      fix     keep every layer id at or below the head's layer id\n"
        "\n"
        "2 maps: read without a config, so findings have no file locations, and suppressions in comments do not apply\n"
        "\n"
        "1 error in 2 configs\n"
    )


def test_a_directory_is_checked_except_for_configs_that_fail(maps: Path, here: Run) -> None:
    result = here("check", *ONLY, "maps")
    assert result.code == 2
    assert "LRD301" in result.out
    assert "could not be checked: 1 config\n  maps/broken.json: error: $.groups: expected" in result.out
    assert result.out.splitlines()[-1] == "1 error in 2 configs; 1 of 3 configs could not be checked"
    (maps / "broken.json").write_text('{"nothing": "of ours"}')
    assert here("check", *ONLY, "maps").code == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: f"<<<<<<< HEAD\n{text}", "not valid JSON: Expecting value"),
        (lambda text: text[: len(text) // 2], "not valid JSON"),
        (lambda text: text.replace('"groups"', '"group"', 1), "$.group: unknown key"),
        (lambda text: text.replace('"schema_version"', '"version"', 1), "is not a group map: it has no schema_version"),
    ],
    ids=["a merge", "a cut", "a hand", "another hand"],
)
def test_a_map_that_was_damaged_does_not_pass(
    damage: Callable[[str], str], message: str, maps: Path, here: Run, tmp_path: Path
) -> None:
    """A damaged golden map must not pass."""
    (maps / "broken.json").write_text(damage((maps / "wrong.json").read_text()))
    (maps / "wrong.json").unlink()
    result = here("check", *ONLY, "maps")
    assert result.code == 2
    assert "maps/broken.json: error: " in result.out
    assert message in result.out


def test_two_maps_of_one_config_are_distinguished(maps: Path, here: Run) -> None:
    write(maps / "before.json", decay_map(wrong=True, config="configs/wrong.py"))
    result = here("check", *ONLY, "maps/before.json", "maps/wrong.json", "--format", "csv")
    assert [line.split(",")[0] for line in result.out.splitlines()[1:]] == ["maps/before.json", "maps/wrong.json"]


def test_json_is_described_by_its_schema(maps: Path, here: Run) -> None:
    import jsonschema

    for name, arguments in {
        "check": ["check", "maps/wrong.json"],
        "rules": ["rule", "--all"],
        "baseline": ["baseline", "maps/wrong.json", "-o", "golden"],
    }.items():
        schema = json.loads(here("schema", name).out)
        document = json.loads(here(*arguments, "--format", "json").out)
        jsonschema.Draft202012Validator(schema).validate(document)
        assert not jsonschema.Draft202012Validator(schema).is_valid({**document, "more": 1})


def test_a_comment_in_a_config_suppresses(tmp_path: Path) -> None:
    base = SAMPLES / "convnext-s_wrong-num-layers.py"
    (tmp_path / "mine.py").write_text(f"_base_ = [{str(base)!r}]\n# lrdecay: ignore[LRD301] as published\n")
    result = lrdecay("check", "mine.py", "--select", "LRD301,LRD9", "--format", "json", cwd=tmp_path)
    assert result.code == 0, result
    (finding,) = json.loads(result.out)["findings"]
    assert finding["suppressed"] == {"reason": "as published", "source": "mine.py:2", "until": None, "line": 2}
    assert len(finding["parameters"]) == 108


def test_the_day_can_be_set(maps: Path, here: Run) -> None:
    (maps.parent / "lrdecay.toml").write_text('[[suppress]]\nrule = "LRD301"\nreason = "known"\nuntil = 2027-01-31\n')
    assert here("check", *ONLY, maps / "wrong.json", LRDECAY_TODAY="2027-01-31").code == 0
    late = here("check", *ONLY, maps / "wrong.json", LRDECAY_TODAY="2027-02-01")
    assert late.code == 1
    assert "LRD903 suppression-expired: the suppression of LRD301 expired on 2027-01-31" in late.out
    odd = here("check", *ONLY, maps / "wrong.json", LRDECAY_TODAY="tomorrow")
    assert (odd.code, odd.err) == (
        2,
        "lrdecay: LRDECAY_TODAY: 'tomorrow' is not a date; write a date such as 2027-01-31\n",
    )


def test_a_file_with_two_names_is_counted_once(maps: Path, here: Run) -> None:
    wrong = maps / "wrong.json"
    once = here("check", "maps/wrong.json", *ONLY)
    assert (
        here("check", "maps/wrong.json", "./maps/wrong.json", wrong, "maps/../maps/wrong.json", *ONLY).out == once.out
    )
    assert once.out.splitlines()[-1].endswith("in 1 config")
