"""Compute the key of a cached result from request, interpreter and working directory."""

from __future__ import annotations

import os
import sys
import time

from lrdecay_cli import __version__
from lrdecay_cli.cache.evidence import digest

FORMAT = 2
"""Version of the cache. It increases when the format or the meaning of cached results or their evidence changes."""

# Variables for text decoding and visible devices.
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
# Variables for the look of a report, read by rich, the standard library and lrdecay.
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
# Variables for the use of the cache and the look of errors: they do not affect results.
_ABOUT_THE_CACHE = ("LRDECAY_CACHE_DIR", "LRDECAY_NO_CACHE", "LRDECAY_TRACEBACK", "LRDECAY_TODAY")


def map_key(request: list[object]) -> str:
    """Return the cache key of a group map. ``request`` contains everything that the user gave, as plain values."""
    return digest(repr(["map", request, _process()]).encode(errors="surrogatepass"))


def report_key(arguments: list[str], settings: list[bytes]) -> str:
    """Return the cache key of the text that a command prints.

    The key also depends on stdout, for example on the width of the terminal.

    Args:
        arguments: the command line.
        settings: content of all settings files.
    """
    out = sys.stdout
    terminal = out.isatty()
    # Importing shutil for this takes 5 ms.
    size = tuple(os.get_terminal_size(out.fileno())) if terminal else None
    looks = [terminal, size, out.encoding, out.errors, [os.environ.get(name) for name in _TERMINAL_VARIABLES]]
    # The date: suppressions expire at the end of a day.
    today = [os.environ.get("LRDECAY_TODAY"), time.strftime("%Y-%m-%d")] if arguments[:1] == ["check"] else []
    request = ["report", arguments, settings, looks, today, _process()]
    return digest(repr(request).encode(errors="surrogatepass"))


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
