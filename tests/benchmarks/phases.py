"""``python -m tests.benchmarks.phases``: print the CPU time of each phase of a scan, for a sample of mmdet's zoo.

Each config is built in a forked child, as in ``scan``. The imports are those of the parent process, once for the whole
zoo.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from lrdecay_cli.processes.children import in_children
from lrdecay_cli.processes.outcomes import BuildSpec
from lrdecay_cli.scanning.targets import configs_of

SAMPLE = 40
_PHASES = {"load_config": "config", "build_model": "build", "BuiltGroups": "constructor"}
"""Names of functions in ``openmmlab/audit.py``, and the phase of each."""


def main() -> None:
    """Print the share of each phase."""
    start = time.process_time()
    from lrdecay_cli.openmmlab.preloading import preload_stack
    from lrdecay_cli.openmmlab.shared_bases import share_common
    from lrdecay_cli.processes.building import needed_packages

    zoo = configs_of(["mmdet::"])
    preload_stack(needed_packages(zoo))
    imported = time.process_time()
    share_common(zoo)
    seconds = Counter({"imports, once": imported - start, "bases read ahead, once": time.process_time() - imported})
    drawn = random.Random(0).sample(zoo, SAMPLE)
    for child in in_children(drawn, _measured, jobs=1):
        for phase, spent in (json.loads(child.answer) if child.answer else {}).items():
            seconds[phase] += spent * len(zoo) / SAMPLE
    total = seconds.total()
    print(f"scan of {len(zoo)} configs, of {SAMPLE} that were measured: {total:.1f} s of CPU time")
    for phase, spent in seconds.most_common():
        print(f"{phase:<26}{spent / total:8.1%}{spent / len(zoo) * 1000:9.1f} ms a config")


def _measured(config: str) -> bytes:
    """CPU seconds of each phase, as JSON."""
    from lrdecay_cli.checking.checking import check_maps
    from lrdecay_cli.domain.errors import LrdecayError
    from lrdecay_cli.files.writing import to_json
    from lrdecay_cli.openmmlab import audit
    from lrdecay_cli.processes.building import audited
    from lrdecay_cli.rules import RULES

    spent: Counter[str] = Counter()
    with ExitStack() as stack:
        for name, phase in _PHASES.items():
            real = getattr(audit, name)
            stack.enter_context(patch.object(audit, name, _timed(real, phase, spent)))
        start = time.process_time()
        try:
            group_map = audited(config, BuildSpec())
        except LrdecayError:
            return json.dumps({"config": time.process_time() - start}).encode()
        spent["reading back, explaining"] = time.process_time() - start - spent.total()
    with _timing("rules (check)", spent):
        check_maps([group_map], RULES)
    with _timing("writing (JSON)", spent):
        to_json(group_map)
    return json.dumps(spent).encode()


def _timed(real: Callable[..., Any], phase: str, spent: Counter[str]) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        with _timing(phase, spent):
            return real(*arguments, **options)

    return timed


@contextmanager
def _timing(phase: str, spent: Counter[str]) -> Iterator[None]:
    start = time.process_time()
    try:
        yield
    finally:
        spent[phase] += time.process_time() - start


if __name__ == "__main__":
    main()
