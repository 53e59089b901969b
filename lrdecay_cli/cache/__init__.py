"""Cache of results, validated before each use. Needs no torch; a hit needs only the standard library.

An entry has a **key** (request, interpreter, working directory: ``keys``). It is valid only while its **evidence**
holds (all recorded inputs of the result: ``recording`` collects them, ``evidence`` checks them):

- opened or imported files outside installed packages (configs, bases, plugins, data): hash of the content and real
  path; above 16 MiB only the stamp;
- files of installed packages and of Python: the stamp (mtime_ns, ctime_ns, size), also of their folders, of mapped
  shared libraries, and of each distribution's METADATA;
- files that were looked up and missing: that they are still missing;
- environment variables that were read by name, or all of them if a config reads all;
- listed folders and those on ``sys.path``: which of the looked-up names exist.

A result is not cached if an input changed during the build, if a process or connection was started, or if others can
write to the cache folder. Failures are never cached.

The cache cannot detect (use ``--no-cache``): code of a config or plugin that branches on ``os.path.exists``, a file's
size or time without opening it, the clock, random numbers, ``sys.argv``, or hardware other than the presence of a GPU;
files opened by C code or relative to a folder's descriptor; variables that C code reads (``getenv``). Code of lrdecay
itself reports such inputs with :func:`probed`.
"""

import sys


def dependencies_wanted() -> bool:
    """True if this process must report the inputs of its result (``--watch``)."""
    module = sys.modules.get("lrdecay_cli.cache.dependencies")
    return module is not None and bool(module.wanted())


def probed(*paths: str) -> None:
    """Record that a result depends on the existence and content of these paths. For lrdecay's own code."""
    # Without a recording nothing is imported.
    if recording := sys.modules.get("lrdecay_cli.cache.recording"):
        recording.note_probed(paths)
