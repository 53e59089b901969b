"""Cache of results. Every cached result is validated before use. A cache hit needs only the standard library, no torch.

The **key** of an entry identifies the request, the interpreter and the working directory (module ``keys``). The
**evidence** of an entry is the list of all inputs of the result, with their state when the result was computed. Module
``recording`` collects it, module ``evidence`` checks it. An entry is valid only if all inputs still have this state:

- opened or imported files outside installed packages (configs, bases, plugins, data): hash of the content, and real
  path. For files above 16 MiB: the stamp instead of the hash;
- files of installed packages and of Python: the stamp (mtime_ns, ctime_ns, size). The same for their folders, for
  mapped shared libraries, and for the METADATA file of each distribution;
- files that were looked up but missing: they must still be missing;
- environment variables that were read by name, or all variables if a config reads all;
- listed folders, and folders on ``sys.path``: which of the looked-up names exist.

A result is not cached if an input changed during the build, if the build started a process or a connection, or if other
users can write to the cache folder. Failures are never cached.

The cache cannot detect changes of the following inputs. Use ``--no-cache`` if a result depends on them:

- in the code of a config or plugin: ``os.path.exists``, the size or time of a file that is not opened, the clock,
  random numbers, ``sys.argv``, and hardware other than the presence of a GPU;
- files that C code opens, and files opened relative to a folder's descriptor;
- variables that C code reads (``getenv``).

lrdecay's own code reports such inputs with :func:`probed`.
"""

import sys


def dependencies_wanted() -> bool:
    """True if this process must report the inputs of its result, because ``--watch`` waits until an input changes."""
    module = sys.modules.get("lrdecay_cli.cache.dependencies")
    return module is not None and bool(module.wanted())


def probed(*paths: str) -> None:
    """Record that a result depends on whether these paths exist, and on their content.

    Only lrdecay's own code calls this function.
    """
    # Without a recording nothing is imported.
    if recording := sys.modules.get("lrdecay_cli.cache.recording"):
        recording.note_probed(paths)
