"""Edits written into the configs of tests/origins, compared with the config that mmengine then loads.

Each option is set, removed and renamed. Either the fix is refused, or mmengine's config equals the old one with that
edit.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from lrdecay_cli.domain.fix import Edit, EditError, Fix, apply_edits, delete_option, rename_option, set_option
from lrdecay_cli.fixing.merged import Refused
from lrdecay_cli.fixing.planning import Planner
from lrdecay_cli.fixing.project import Project
from lrdecay_cli.origins import config_origins
from tests.origins.chains import CHAINS, Chain

# No text of the project sets these without running it, or has an entry to change.
REFUSED: dict[str, set[str]] = {
    "set": {"update, append and +=", "+= of a number"},
    "delete": {"a dict with two names", "+= of a number", "fileBasenameNoExtension"},
    "rename": {"+= of a number"},
}
# A module with the new name would have to exist.
LEFT_OUT = ("custom_imports",)


def loaded(config: str) -> dict[str, Any]:
    return Config.fromfile(config).to_dict()


def edit_of(chain: Chain, action: str) -> Edit:
    keys = config_origins(chain.config).keys_of(chain.option)
    assert keys is not None
    if action == "set":
        return set_option(keys, "edited")
    return delete_option(keys) if action == "delete" else rename_option(keys, "renamed")


@pytest.mark.parametrize("action", REFUSED)
@pytest.mark.parametrize(
    "chain",
    [chain for chain in CHAINS if not chain.cfg_options and chain.name not in LEFT_OUT],
    ids=lambda chain: chain.name,
)
def test_the_config_is_the_old_one_with_the_edit(
    chain: Chain, action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in chain.files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    edit = edit_of(chain, action)
    if isinstance(edit.keys[-1], int) and action == "rename":
        return
    before = loaded(chain.config)
    expected = copy.deepcopy(before)
    try:
        apply_edits(expected, [edit])
    except EditError:
        return  # a tuple
    planner = Planner({chain.config: [Fix(edits=(edit,))]}, Project(tmp_path))
    if chain.name in REFUSED[action]:
        with pytest.raises(Refused, match=r"^[^\n]+$"):
            planner.fix(chain.config, Fix(edits=(edit,)))
        assert planner.changed == {}
        return
    planner.fix(chain.config, Fix(edits=(edit,)))
    for path, text in planner.changed.items():
        path.write_text(text)
    after = loaded(chain.config)
    handed = {via.name for via in config_origins(chain.config).options() for via in via.origin.via}
    assert {key: value for key, value in after.items() if key not in handed - {edit.keys[0]}} == {
        key: value for key, value in expected.items() if key not in handed - {edit.keys[0]}
    }
