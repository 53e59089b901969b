"""A cache of answers that is validated, never trusted. Torch-free; what a hit needs is stdlib only and starts quickly.

An entry is found by a **key** (what was asked, by which interpreter, from where: ``keys``) and believed only while its
**evidence** holds (everything that was seen to go into the answer: ``recording`` takes it, ``evidence`` checks it):

- files outside the installed packages that were opened or imported (configs, bases, plugins, data): the content's hash
  and the real path; above 16 MiB the stamp only;
- files of installed packages and of Python itself: the stamp (mtime_ns, ctime_ns, size), their folders too, mapped
  shared libraries, and each distribution's METADATA;
- files that were asked for and not there: that they still are not;
- environment variables that were read by name, and all of them where a config reads all;
- folders that were listed, and those on ``sys.path``: which names that were looked up are there.

An answer is not kept at all if something changed while it was made, if a process was started or a connection made, or
if the cache folder is not the user's alone. Failures are never kept.

What this cannot see, for which ``--no-cache`` is there: code of a config or plugin that branches on ``os.path.exists``
or a file's size or time without opening it, on the clock, on random numbers, on ``sys.argv``, on the hardware beyond
the presence of a GPU; files that are opened by C code or relative to a folder's descriptor, and variables that C code
reads (``getenv``). Whoever adds such a question to lrdecay itself tells it with
:func:`probed`.
"""

import sys


def probed(*paths: str) -> None:
    """Tell that an answer depends on whether these paths are there, and on what is in them. For our own code."""
    # Nothing is loaded for it where nothing is recorded.
    if recording := sys.modules.get("lrdecay_cli.cache.recording"):
        recording.note_probed(paths)
