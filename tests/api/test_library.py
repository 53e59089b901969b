"""Use lrdecay as a Python library."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

import lrdecay_cli
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from tests.checking.maps import decay_map, write
from tests.commands.running import SAMPLES, lrdecay_here

ROOT = SAMPLES.parent


def test_audit_and_check(tmp_path: Path) -> None:
    group_map = lrdecay_cli.audit(SAMPLES / "convnext-s_wrong-num-layers.py")
    assert isinstance(group_map, GroupMap)
    result = lrdecay_cli.check(group_map, select=["LRD301"])
    assert [finding.code for finding in result.failing()] == ["LRD301"]
    path = write(tmp_path / "map.json", group_map)
    (read,) = lrdecay_cli.check(path, select=["LRD301"]).findings
    # The lines that set options are known only for configs that were built.
    assert result.findings[0].place
    assert read == msgspec.structs.replace(result.findings[0], place=msgspec.UNSET, replaces=(), bases=())
    fixed = lrdecay_cli.audit(
        str(SAMPLES / "convnext-s_wrong-num-layers.py"), cfg_options=["optim_wrapper.paramwise_cfg.num_layers=12"]
    )
    assert lrdecay_cli.check(fixed, select=["LRD301"]).findings == ()
    for baseline in (group_map, path, Path(path)):
        differing = lrdecay_cli.check(fixed, select=["LRD7"], baseline=baseline)
        assert {finding.code for finding in differing.failing()} == {"LRD701"}


def test_a_folder_of_baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions use the cache that the command wrote."""
    monkeypatch.chdir(tmp_path)
    found = decay_map(config="configs/a.py")
    found.save("map.json")
    make = "make it with: lrdecay baseline map.json -o baselines"
    with pytest.raises(LrdecayError, match=f"no directory baselines; {make}"):
        lrdecay_cli.check("map.json", baseline="baselines/")
    assert lrdecay_here("baseline", "map.json", "-o", "baselines/").code == 0
    assert Path("baselines/configs/a.txt").is_file()
    for source in (found, "map.json"):
        assert not lrdecay_cli.check(source, select=["LRD7"], baseline="baselines/").findings
    changed = decay_map(config="configs/a.py", lr=0.2)
    (finding,) = lrdecay_cli.check(changed, select=["LRD7"], baseline=Path("baselines")).findings
    assert "see all differences with: lrdecay diff baselines/configs/a.txt configs/a.py" in finding.fix
    # Either side may be a text baseline.
    assert lrdecay_cli.diff(found, "baselines/configs/a.txt").identical
    assert lrdecay_cli.diff("baselines/configs/a.txt", changed).changes
    with pytest.raises(LrdecayError, match=f"no baseline baselines/b.txt; {make}"):
        lrdecay_cli.check("map.json", baseline="baselines/b.txt")


def test_settings_and_the_day(tmp_path: Path) -> None:
    settings = tmp_path / "lrdecay.toml"
    settings.write_text('[[suppress]]\nrule = "LRD301"\nreason = "known"\nuntil = 2027-01-31')
    for day, failing in ((date(2027, 1, 31), []), (date(2027, 2, 1), ["LRD301"])):
        result = lrdecay_cli.check(decay_map(wrong=True), select=["LRD301", "LRD9"], settings=settings, today=day)
        assert [finding.code for finding in result.failing()] == failing
    # Without ``settings``, no settings file is searched for.
    assert lrdecay_cli.check(decay_map(wrong=True), select=["LRD301"]).failing()


def test_errors_have_one_line(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'a'\n")
    for call in (
        lambda: lrdecay_cli.check(tmp_path / "nowhere.json"),
        lambda: lrdecay_cli.check(decay_map(), select=["LRD999"]),
        lambda: lrdecay_cli.check(decay_map(), settings=tmp_path / "pyproject.toml"),
        lambda: lrdecay_cli.check(decay_map(), fail_on="fatal"),  # type: ignore[arg-type]
        lambda: lrdecay_cli.audit(tmp_path / "nowhere.py"),
    ):
        with pytest.raises(LrdecayError):
            call()
    with pytest.raises(AttributeError, match="no attribute 'inspect'"):
        lrdecay_cli.inspect  # noqa: B018


ARGUMENTS: dict[str, Any] = {
    "config: an object of type NoneType is not a path": lambda: lrdecay_cli.audit(None),  # type: ignore[arg-type]
    "config: 'x\\x00y' is not a path": lambda: lrdecay_cli.audit("x\0y"),
    "config: an object of type int is not": lambda: lrdecay_cli.schedule(3),  # type: ignore[arg-type]
    "path: an object of type NoneType": lambda: lrdecay_cli.load(None),  # type: ignore[arg-type]
    "path: an object of type int": lambda: decay_map().save(3),  # type: ignore[arg-type]
    "map: an object of type int": lambda: lrdecay_cli.diff(decay_map(), 3),  # type: ignore[arg-type]
    "baseline: an object of type int": lambda: lrdecay_cli.check(decay_map(), baseline=3),  # type: ignore[arg-type]
    "settings: an object of type int": lambda: lrdecay_cli.check(decay_map(), settings=3),  # type: ignore[arg-type]
    "resume: an object of type int": lambda: lrdecay_cli.dry_run("a.py", resume=3),  # type: ignore[arg-type]
    "gpus: expected `int` >= 1": lambda: lrdecay_cli.audit("a.py", gpus=0),
    "batch_size: expected `int | None`, got `str`": lambda: lrdecay_cli.audit("a.py", batch_size="x"),  # type: ignore[arg-type]
    "device: expected `str`, got `None`": lambda: lrdecay_cli.audit("a.py", device=None),  # type: ignore[arg-type]
    "every: expected `int` >= 1": lambda: lrdecay_cli.schedule("a.py", every=0),
    "iters_per_epoch: expected `int` >= 1": lambda: lrdecay_cli.schedule("a.py", iters_per_epoch=0),
    "steps: expected `int`, got `str`": lambda: lrdecay_cli.dry_run("a.py", steps="x"),  # type: ignore[arg-type]
    "select: 3 is not a list of names": lambda: lrdecay_cli.check(decay_map(), select=3),  # type: ignore[arg-type]
    "select: 3 is not a string": lambda: lrdecay_cli.check(decay_map(), select=[3]),  # type: ignore[list-item]
    "select: no rule 'LRD999'": lambda: lrdecay_cli.check(decay_map(), select="LRD999"),
    "fail_on: None is not a string": lambda: lrdecay_cli.check(decay_map(), fail_on=None),  # type: ignore[arg-type]
    "fail_on: unknown severity 'fatal'": lambda: lrdecay_cli.check(decay_map(), fail_on="fatal"),  # type: ignore[arg-type]
    "only: no aspect 'scale'": lambda: lrdecay_cli.diff(decay_map(), decay_map(), only="scale"),
    "by: None is not a string": lambda: lrdecay_cli.diff(decay_map(), decay_map(), by=None),  # type: ignore[arg-type]
    "rtol: 'x' is not a number": lambda: lrdecay_cli.diff(decay_map(), decay_map(), rtol="x"),  # type: ignore[arg-type]
    "cfg_options: 3 is not a list": lambda: lrdecay_cli.audit("a.py", cfg_options=3),  # type: ignore[arg-type]
    "parameter: 3 is not a list": lambda: lrdecay_cli.explain(decay_map(), 3),  # type: ignore[arg-type]
    "group: 3 is not a string": lambda: lrdecay_cli.explain(decay_map(), why_not="a", group=3),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("error", ARGUMENTS)
def test_an_error_names_the_argument(error: str) -> None:
    with pytest.raises(LrdecayError) as raised:
        ARGUMENTS[error]()
    assert raised.value.line().startswith(error)


def test_a_single_name_is_a_list_of_one() -> None:
    (finding,) = lrdecay_cli.check(decay_map(wrong=True), select="LRD301", ignore="LRD7").findings
    assert finding.code == "LRD301"
    assert lrdecay_cli.diff(decay_map(), decay_map(lr=0.2), only="weight_decay").identical


def test_importing_it_imports_nothing() -> None:
    script = (
        "import sys; before = set(sys.modules); import lrdecay_cli; print(sorted(set(sys.modules) - before));"
        "lrdecay_cli.check; print([m for m in ('torch', 'mmengine', 'typer', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "['lrdecay_cli']\n[]\n"


def test_it_is_typed(tmp_path: Path) -> None:
    """Type-check a project that uses lrdecay with mypy; use the project's options, to share its cache."""
    (tmp_path / "use.py").write_text(
        "import lrdecay_cli\nfrom lrdecay_cli.domain.group_map import GroupMap\n"
        "group_map: GroupMap = lrdecay_cli.audit('a.py')\n"
        "result = lrdecay_cli.check(group_map, fail_on='warning')\n"
        "reveal_type(result.failing())\n"
        "lrdecay_cli.check(3)\n"
    )
    assert (ROOT / "lrdecay_cli/py.typed").is_file()
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(tmp_path / "use.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 'Revealed type is "tuple[lrdecay_cli.domain.finding.Finding, ...]"' in done.stdout.replace("builtins.", "")
    assert 'Argument 1 to "check" has incompatible type "int"' in done.stdout
    assert "Found 1 error" in done.stdout
