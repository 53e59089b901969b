"""Under which key an answer is kept: what was asked, by which interpreter, from where."""

from __future__ import annotations

import os
import sys
import time

from lrdecay_cli import __version__
from lrdecay_cli.cache.evidence import digest

FORMAT = 2
"""Goes up whenever entries or their evidence change their form or their meaning."""

# How text is decoded, and which devices a config can find.
_STACK_VARIABLES = (
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
)
_GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
# How a report looks: read by rich, by the standard library and by us.
_TERMINAL_VARIABLES = (
    "NO_COLOR",
    "FORCE_COLOR",
    "COLORTERM",
    "TERM",
    "COLUMNS",
    "LINES",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
    "UNICODE_VERSION",
)
# They say whether the cache is used and how errors look, nothing about an answer.
_ABOUT_THE_CACHE = ("LRDECAY_CACHE_DIR", "LRDECAY_NO_CACHE", "LRDECAY_TRACEBACK", "LRDECAY_TODAY")


def map_key(question: list[object]) -> str:
    """Key of a group map: ``question`` is all that the map depends on and that the user can say, in plain values."""
    return digest(repr(["map", question, _process()]).encode(errors="surrogatepass"))


def report_key(arguments: list[str], settings: list[bytes]) -> str:
    """Key of what a command line writes to this stdout, with ``settings``, the content of the settings files."""
    out = sys.stdout
    terminal = out.isatty()
    # Not shutil's: importing that takes 5 ms.
    size = tuple(os.get_terminal_size(out.fileno())) if terminal else None
    looks = [terminal, size, out.encoding, out.errors, [os.environ.get(name) for name in _TERMINAL_VARIABLES]]
    # A suppression ends with a day.
    today = [os.environ.get("LRDECAY_TODAY"), time.strftime("%Y-%m-%d")] if arguments[:1] == ["check"] else []
    question = ["report", arguments, settings, looks, today, _process()]
    return digest(repr(question).encode(errors="surrogatepass"))


def _process() -> list[object]:
    return [
        FORMAT,
        __version__,
        [sys.version, sys.platform, sys.executable, sys.prefix, sys.base_prefix],
        [tuple(sys.flags), sorted(sys._xoptions.items()), sys.warnoptions, sys.pycache_prefix],
        [os.getcwd(), sys.path],
        [os.environ.get(name) for name in _STACK_VARIABLES],
        [os.path.exists(gpu) for gpu in _GPUS],
        sorted(
            (name, value)
            for name, value in os.environ.items()
            if name.startswith("LRDECAY_") and name not in _ABOUT_THE_CACHE
        ),
    ]
