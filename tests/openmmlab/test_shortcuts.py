"""Shortcuts change nothing: over the zoo, what is answered with them is what is answered without any."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.test_errors import CONFIGS as BROKEN
from tests.openmmlab.zoo_answers import answers, zoo

# --whole-zoo takes them all, and most of an hour.
STEP = 71


def test_quick_answers_are_the_exact_ones(request: pytest.FixtureRequest) -> None:
    configs = zoo()
    sample = configs if request.config.getoption("--whole-zoo") else configs[::STEP]
    quick, exact = dict(answers("quick", sample)), dict(answers("exact", sample))
    assert sorted(quick) == sorted(exact) == sorted(sample)
    # One that fails is run again without shortcuts; that must be the exception.
    answered = [config for config in sample if "error" not in quick[config]]
    assert [config for config in answered if quick[config] != exact[config]] == []
    possible = [config for config in sample if "error" not in exact[config]]
    assert len(answered) >= 0.95 * len(possible)
    assert len(possible) >= 0.7 * len(sample)


def test_errors_are_the_same(tmp_path: Path) -> None:
    """Even without a second attempt."""
    configs = []
    for name, (text, _) in BROKEN.items():
        folder = tmp_path / name.replace(" ", "_")
        folder.mkdir()
        (folder / "config.py").write_text(text)
        (folder / "broken.py").write_text("a = 1\nb = = 2\n")
        configs.append(str(folder / "config.py"))
    quick, exact = dict(answers("quick", configs)), dict(answers("exact", configs))
    assert len(quick) == len(BROKEN)
    assert all("error" in answer for answer in quick.values())
    assert quick == exact
