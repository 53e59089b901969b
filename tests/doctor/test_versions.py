"""Version ranges, compared with the reference implementation of PEP 440."""

from __future__ import annotations

import itertools

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from lrdecay_cli.doctor.survey import label, public
from lrdecay_cli.doctor.versions import common_range, release, satisfies

VERSIONS = (
    "0.7.1",
    "1.0",
    "1.0.0",
    "1.0.1",
    "1.10",
    "2.0.0rc4",
    "2.0.0rc3",
    "2.0.0a1",
    "2.0.0.dev5",
    "2.0.0",
    "2.0.0.post1",
    "2.1.0+cu121",
    "2.1.2",
    "2.2.0",
    "2.10.0",
    "1!0.5",
)
SPECIFIERS = (
    ">=2.0.0rc4,<2.2",
    ">=1.0,<2.0.0.dev1",
    "==2.1.*",
    "!=2.1.*",
    "==1",
    "!=2.0.0",
    "~=2.1",
    "~=2.0.0",
    ">=2.0.0rc4",
    "<=2.0.0rc4",
    ">1.10",
    "<1.0.1",
    "",
    " >= 2.1 , < 3 ",
)


@pytest.mark.parametrize("specifier", SPECIFIERS)
def test_ranges_are_those_of_pep_440(specifier: str) -> None:
    ours = [version for version in VERSIONS if satisfies(version, specifier)]
    assert ours == [*SpecifierSet(specifier).filter(VERSIONS, prereleases=True)]


def test_order_is_that_of_pep_440() -> None:
    for one, other in itertools.product(VERSIONS, repeat=2):
        # These follow their own order: a bound has no label, and "<" excludes pre-releases of its own release.
        if "+" not in one + other and Version(one).base_version != Version(other).base_version:
            assert satisfies(one, f"<{other}") == (Version(one) < Version(other)), (one, other)


@pytest.mark.parametrize(
    ("version", "specifier", "fits"),
    [
        # mmengine's digit_version, which mmdet and mmpretrain use, treats a pre-release as older than its release.
        ("2.2.0rc1", "<2.2.0", True),
        ("2.1.0+cu121", "==2.1.0", True),
        ("unknown", ">=2", True),
        (None, ">=2", True),
        ("1.0", "next to 2", True),
        ("1.0", ">=soon,<3", True),
        ("3.0", ">=soon,<3", False),
    ],
)
def test_where_we_differ(version: str | None, specifier: str, fits: bool) -> None:
    assert satisfies(version, specifier) is fits


@pytest.mark.parametrize(
    ("ranges", "common"),
    [
        ((">=2.0.0rc4,<2.2.0", ">=2.0.0,<2.4.0"), ">=2.0.0,<2.2.0"),
        (("<2.10", "<2.9", ""), "<2.9"),
        ((">=1,<=2.1", ">=1,<=2.0"), ">=1,<=2.0"),
        (("", ""), ""),
    ],
)
def test_common_range(ranges: tuple[str, ...], common: str) -> None:
    assert common_range(*ranges) == common


def test_parts() -> None:
    assert public("2.1.0+cu121") == "2.1.0"
    assert (label("2.1.0+cu121"), label("2.1.0"), label(None)) == ("cu121", None, None)
    assert (release("2.1.0rc1+cu121"), release("git"), release(None)) == ((2, 1, 0), (), ())
