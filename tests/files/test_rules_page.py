"""The address of the page of rules, from the record that pip writes of an installation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lrdecay_cli.files.rules_page import rules_page

GIT = {"vcs": "git", "commit_id": "4f3a"}


@pytest.mark.parametrize(
    ("direct", "page"),
    [
        (
            {"url": "https://example.org/team/lrdecay.git", "vcs_info": GIT},
            "https://example.org/team/lrdecay/blob/4f3a",
        ),
        ({"url": "https://me:token@example.org:8443/a/b", "vcs_info": GIT}, "https://example.org:8443/a/b/blob/4f3a"),
        ({"url": "ssh://git@example.org/team/lrdecay", "vcs_info": GIT}, ""),
        ({"url": "file:///home/me/lrdecay", "dir_info": {"editable": True}}, ""),
        ({"url": "https://[", "vcs_info": GIT}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_it_is_in_the_repository_that_pip_installed_from(
    direct: object, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LRDECAY_SOURCE", raising=False)
    record = tmp_path / "lrdecay_cli-0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: lrdecay-cli\nVersion: 0\n")
    if direct is not None:
        (record / "direct_url.json").write_text(json.dumps(direct))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert rules_page() == (page and f"{page}/docs/rules.md")
