"""Maps and errors of zoo configs with and without shortcuts, built in processes forked from the two kinds of servers.

``python -m tests.openmmlab.zoo_answers quick|exact CONFIG...`` writes a JSON line for each config.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.commands import preloaded
from tests.commands.running import ROOT

# A fresh process for so many configs bounds its memory.
CHUNK = 16


def zoo() -> list[str]:
    """Return every config of both zoos, old and new style, that is not a base of others."""
    found: list[str] = []
    for package in ("mmdet", "mmpretrain"):
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        for folder in (Path(spec.origin).parent / ".mim" / "configs", Path(spec.origin).parent / "configs"):
            found += sorted(f"{package}::{path.relative_to(folder).as_posix()}" for path in folder.rglob("*.py"))
    return [config for config in found if "_base_" not in config and not config.endswith("__init__.py")]


def answers(kind: str, configs: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield for each config its map and the classes of its model's modules, or its error."""
    for first in range(0, len(configs), CHUNK):
        chunk = configs[first : first + CHUNK]
        code, out, err = preloaded.run(["-m", __name__, kind, *chunk], str(ROOT), os.environ, "", kind=kind)
        assert code == 0, err
        for line in out.splitlines():
            answer = json.loads(line)
            yield answer.pop("config"), answer


def _answer(config: str, *, exact: bool) -> dict[str, Any]:
    import msgspec

    from lrdecay_cli.domain.errors import LrdecayError
    from lrdecay_cli.openmmlab import audit as auditing
    from lrdecay_cli.openmmlab.patching import patched

    classes: list[str] = []
    read_groups = auditing.read_groups

    def seen(model: Any, *rest: Any, **options: Any) -> Any:
        classes.extend(f"{type(module).__module__}.{type(module).__qualname__}" for module in model.modules())
        return read_groups(model, *rest, **options)

    try:
        with patched(auditing, read_groups=seen):
            group_map = auditing.audit(config, exact=exact)
    except LrdecayError as error:
        return {"error": error.line()}
    return {"map": msgspec.to_builtins(group_map), "classes": classes}


def _main(kind: str, *configs: str) -> None:
    # What configs print goes to stderr.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for config in configs:
        print(json.dumps({"config": config, **_answer(config, exact=kind == preloaded.EXACT)}), file=out, flush=True)
    os._exit(0)


if __name__ == "__main__":
    _main(*sys.argv[1:])
