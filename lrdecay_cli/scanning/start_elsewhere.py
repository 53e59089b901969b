"""Start lrdecay's worker with the Python of another environment, even if lrdecay is not installed there.

The Python of that environment runs this file directly. This Python is possibly too old for lrdecay, so this file uses
only the syntax of Python 3.6. The first command-line argument is the folder of ``lrdecay_cli``. The other arguments are
the name and the folder of each package that lrdecay needs.
"""

import json
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from typing import NoReturn

_OLDEST = (3, 10)


class _From:
    """Import finder for a few top-level packages in folders outside ``sys.path``.

    Other packages in these folders are not importable.
    """

    def __init__(self, folders: "dict[str, str]") -> None:
        self._folders = folders

    def find_spec(self, name: str, path: object = None, target: object = None) -> "ModuleSpec | None":
        """Return the import spec of a package in the folders of this finder; None for other packages."""
        return PathFinder.find_spec(name, [self._folders[name]]) if name in self._folders else None


def _refuse(problem: str, fix: str) -> "NoReturn":
    data = json.dumps({"problem": problem, "fix": fix}).encode()
    sys.stdout.buffer.write(len(data).to_bytes(8, "little") + data)
    sys.stdout.flush()
    sys.exit(2)


def main(root: str, needed: "dict[str, str]") -> None:
    """Run :func:`lrdecay_cli.scanning.worker.main`.

    If the worker cannot start, write one message of the worker's protocol, with the error, to stdout.
    """
    here = "Python %d.%d" % sys.version_info[:2]  # noqa: UP031
    if sys.version_info < _OLDEST:
        _refuse(here + " is too old", "name an environment with Python 3.10 or newer")
    # Remove the folder of this file, in which lrdecay's modules would be importable by their bare names.
    del sys.path[0]
    # This lrdecay before any other; its dependencies from the environment itself, if installed.
    sys.meta_path.insert(0, _From({"lrdecay_cli": root}))
    sys.meta_path.append(_From(needed))
    try:
        import msgspec  # noqa: F401
        import packaging  # noqa: F401
    except ImportError as error:
        fix = "%s -m pip install msgspec packaging" % sys.executable  # noqa: UP031
        _refuse("lrdecay's own msgspec cannot be imported by %s (%s)" % (here, error), fix)  # noqa: UP031
    from lrdecay_cli.scanning.worker import main as serve

    serve()


if __name__ == "__main__":
    main(sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2])))  # noqa: B905
