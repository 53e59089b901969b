"""Find the web address of docs/rules.md in the repository from which lrdecay was installed."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from urllib.parse import urlsplit

SOURCE = "LRDECAY_SOURCE"
"""Environment variable with the web address of the repository's files. The GitHub action sets it."""
_DISTRIBUTION = "lrdecay-cli"


def rules_page() -> str:
    """Return the web address of docs/rules.md; empty if unknown, for example after an installation from a folder.

    pip records the repository and the commit in ``direct_url.json`` (PEP 610). GitHub and GitLab show the files of a
    commit under ``/blob/<commit>/``.
    """
    source = os.environ.get(SOURCE) or _installed_from()
    return f"{source}/docs/rules.md" if source else ""


def _installed_from() -> str:
    with suppress(PackageNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        direct = json.loads(distribution(_DISTRIBUTION).read_text("direct_url.json") or "{}")
        commit = direct["vcs_info"]["commit_id"]
        parts = urlsplit(direct["url"])
        if parts.scheme in ("http", "https") and direct["vcs_info"]["vcs"] == "git" and parts.hostname:
            # Without user name and password.
            host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
            path = parts.path.rstrip("/").removesuffix(".git")
            return f"{parts.scheme}://{host}{path}/blob/{commit}"
    return ""
