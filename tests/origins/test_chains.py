"""Origins in hand-written configs, compared with mmengine: values, places of literals, and effects of an edit there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from lrdecay_cli.domain.origins import COMMAND_LINE, Option, Place
from lrdecay_cli.origins import ConfigOrigins, config_origins
from tests.origins.chains import CHAINS, Chain
from tests.origins.tagged import differences, leaves, parsed


@pytest.fixture(params=CHAINS, ids=lambda chain: chain.name)
def chain(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain: Chain = request.param
    for name, text in chain.files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return chain


def option_of(chain: Chain) -> tuple[ConfigOrigins, Option]:
    origins = config_origins(chain.config, chain.cfg_options)
    option = origins.at(chain.option)
    assert option is not None
    return origins, option


def test_an_option_is_found_where_it_is_set(chain: Chain) -> None:
    _, option = option_of(chain)
    origin = option.origin
    place = f"{origin.place.file}:{origin.place.line}:{origin.place.column}"
    overridden = [(old.value, str(old.place)) for old in option.overridden]
    assert (origin.value, place, origin.constant) == (chain.value, chain.place, chain.constant)
    assert overridden == list(chain.overridden)
    assert [via.name for via in origin.via] == list(chain.through)


def test_every_option_is_where_mmengine_has_it_from(chain: Chain) -> None:
    assert differences(chain.config, chain.cfg_options) == ([], [])


def test_an_edit_there_changes_the_option(chain: Chain) -> None:
    """Another literal at the place changes the option, and only options with the same origin."""
    origins, option = option_of(chain)
    place = option.origin.place
    if not option.origin.constant or place.file == COMMAND_LINE or "::" in place.file:
        return
    before = merged(chain)
    shared = {each.keys for each in origins.options() if each.origin.place == place}
    changed = '"edited"' if place.file.endswith(("json", "yaml")) else "'edited'"
    edit(origins.files[place.file], place, changed)
    after = merged(chain)
    assert after[option.keys] == "edited"
    assert {keys for keys in before if before[keys] != after.get(keys)} == shared


def merged(chain: Chain) -> dict[tuple[str | int, ...], Any]:
    config = Config.fromfile(chain.config, import_custom_modules=False)
    config.merge_from_dict(parsed(chain.cfg_options))
    return {keys: value for keys, (value, _) in leaves(config).items()}


def edit(file: Path, place: Place, text: str) -> None:
    lines = file.read_text().split("\n")
    assert place.line == place.end_line
    line = lines[place.line - 1]
    lines[place.line - 1] = line[: place.column - 1] + text + line[place.end_column - 1 :]
    file.write_text("\n".join(lines))
