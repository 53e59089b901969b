"""The command ``lrdecay cache``."""

from __future__ import annotations

import typer

cache = typer.Typer(
    name="cache",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show or empty the cache of group maps and reports.\n\n\b\nlrdecay cache info\nlrdecay cache clear",
)


@cache.command()
def info() -> None:
    """Show where the cache is, whether it is used, and its size."""
    from lrdecay_cli.app.shell.console import write_stdout
    from lrdecay_cli.cache.folder import LIMIT, cache_folder, entries, refusal, switched_off

    folder = cache_folder()
    reason = "LRDECAY_NO_CACHE is set" if switched_off() else refusal(folder)
    kept = entries(folder)
    lines = {
        "folder": folder,
        "used": f"no, {reason}" if reason else "yes",
        "reports": sum(name.startswith("report-") for name, _, _ in kept),
        "maps": sum(name.startswith("map-") for name, _, _ in kept),
        "size": f"{sum(size for _, size, _ in kept) / 2**20:.1f} of {LIMIT / 2**20:.0f} MiB",
    }
    write_stdout("".join(f"{label:<9}{value}\n" for label, value in lines.items()))


@cache.command()
def clear() -> None:
    """Delete every cache entry."""
    from lrdecay_cli.app.shell.console import write_stdout
    from lrdecay_cli.cache import folder
    from lrdecay_cli.domain.errors import LrdecayError

    place = folder.cache_folder()
    if reason := folder.refusal(place):
        raise LrdecayError(
            f"the cache was not deleted: {reason}", where=place, fix="check the folder and delete it by hand"
        )
    removed = folder.clear(place)
    write_stdout(f"removed {removed} {'entry' if removed == 1 else 'entries'} from {place}\n")
