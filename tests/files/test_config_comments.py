"""Suppressions in the comments of a config and of its bases."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from lrdecay_cli.files.config_text import comment_suppressions


def test_comments_and_nothing_but_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.py").write_text(
        "x = '# lrdecay: ignore[LRD201] in a string'\n"
        "# lrdecay: ignore[LRD301] reproduces a published run\n"
        "y = 1  # noqa # lrdecay:ignore[LRD201, LRD202] – two\n"
        "# lrdecay: ignore[LRD401]\n"
        "# lrdecay: ignore all of it\n"
        "# lrdecay: ignored\n"
        "#lrdecay disable=LRD402  \n"
        "# lrdecay is noqa to nobody\n"
        "# lrdecay: ignore[LRD301] until=2027-01-31 to be tuned\n"
        "# lrdecay: ignore[LRD301] to be tuned (#3) (until 2027-01-31).\n"
        "# lrdecay: ignore[LRD301] until the paper is out\n"
        "# lrdecay: ignore[LRD301] until=2027-02-30 to be tuned\n"
    )
    found = comment_suppressions("a.py")
    assert [(each.rule, each.reason or each.comment, each.source) for each in found] == [
        (("LRD301",), "reproduces a published run", "a.py:2"),
        (("LRD201", "LRD202"), "two", "a.py:3"),
        (("LRD401",), "", "a.py:4"),
        ((), "# lrdecay: ignore all of it", "a.py:5"),
        ((), "#lrdecay disable=LRD402", "a.py:7"),
        (("LRD301",), "to be tuned", "a.py:9"),
        (("LRD301",), "to be tuned (#3)", "a.py:10"),
        (("LRD301",), "until the paper is out", "a.py:11"),
        ((), "# lrdecay: ignore[LRD301] until=2027-02-30 to be tuned", "a.py:12"),
    ]
    assert [each.until for each in found[-4:]] == [date(2027, 1, 31), date(2027, 1, 31), None, None]
    assert [(each.column, each.end_column) for each in found[:2]] == [(1, 53), (8, 53)]


def test_bases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "configs/a.py": "_base_ = ['../base/b.py', './c.py']\n# lrdecay: ignore[LRD301] a\n",
        "base/b.py": "_base_ = '../configs/a.py'  # a circle\n# lrdecay: ignore[LRD301] b\n",
        "configs/c.py": "from mmengine.config import read_base\nwith read_base():\n"
        "    from .d import *\n    from ..base.e import x\n# lrdecay: ignore[LRD301] c\n",
        "configs/d.py": "# lrdecay: ignore[LRD301] d\n",
        "base/e.py": "# lrdecay: ignore[LRD301] e\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = {suppression.reason: suppression.source for suppression in comment_suppressions("configs/a.py")}
    assert found == {
        "a": "configs/a.py:2",
        "b": "base/b.py:2",
        "c": "configs/c.py:5",
        "d": "configs/d.py:1",
        "e": "base/e.py:1",
    }


def test_a_base_of_the_zoo_is_read(tmp_path: Path) -> None:
    from lrdecay_cli.files import find_config

    zoo = "mmdet::convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py"
    assert "num_layers" in find_config(zoo).read_text()
    (tmp_path / "a.py").write_text(f"_base_ = {zoo!r}\n# lrdecay: ignore[LRD301] mine\n")
    # mmdet has no comments for lrdecay; the test only reads its files without an error.
    assert [suppression.reason for suppression in comment_suppressions(str(tmp_path / "a.py"))] == ["mine"]


def test_bases_of_a_package_that_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new config style of mmdet and mmpretrain: ``mmdet.configs.retinanet.retinanet_r50``."""
    folder = tmp_path / "toyzoo" / "configs" / "nets"
    folder.mkdir(parents=True)
    (tmp_path / "toyzoo" / "__init__.py").touch()
    (folder / "a.py").write_text("# lrdecay: ignore[LRD301] zoo\n")
    (folder / "never.py").write_text("# lrdecay: ignore[LRD301] never\n")
    (tmp_path / "mine.py").write_text(
        "import toyzoo.configs.nets.never\nwith read_base():\n    from toyzoo.configs.nets.a import *\n"
        "    from toyzoo.configs import nets\n    from toyzoo.models.nets.never import *\n"
        "    import toyzoo.configs.nets.never\n"
        "# lrdecay: ignore[LRD301] mine\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = {suppression.reason: suppression.source for suppression in comment_suppressions("mine.py")}
    assert found == {"zoo": "toyzoo::nets/a.py:1", "mine": "mine.py:7"}


def test_a_base_that_cannot_be_read_takes_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("_base_ = ['closed.py', 'mmdet::no/such.py']\n# lrdecay: ignore[LRD301] mine\n")
    (tmp_path / "closed.py").write_text("# lrdecay: ignore[LRD301] closed\n")
    read = Path.read_text

    def read_text(file: Path, *arguments: str, **options: str) -> str:
        if file.name == "closed.py":
            raise PermissionError(13, "Permission denied")
        return read(file, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", read_text)
    assert [suppression.reason for suppression in comment_suppressions(str(tmp_path / "a.py"))] == ["mine"]


@pytest.mark.parametrize("text", ["x = (", "_base_ = [f()]", "_base_ = 3", "\x00", "_base_ = 'nowhere.py'", "  x\n y"])
def test_unreadable_configs_have_no_suppressions(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(text)
    assert comment_suppressions(str(tmp_path / "a.py")) == ()
    assert comment_suppressions(str(tmp_path / "b.py")) == ()
    assert comment_suppressions("no_such_package::a.py") == ()
