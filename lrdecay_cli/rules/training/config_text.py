"""A rule about configs that mmengine can load but cannot write as text."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.rules.api import Example, Fault, RuleContext, rule
from lrdecay_cli.text.counting import listed


@rule(
    "LRD815",
    "config-that-cannot-be-written",
    severity="error",
    bad=Example("logged = dict(scale=lambda lr: lr * 10)"),
    good=Example("logged = dict(scale='lambda lr: lr * 10')"),
)
def config_that_cannot_be_written(context: RuleContext) -> Iterator[Fault]:
    """The Runner raises SyntaxError before training, when it writes the config into its log.

    The config loads without an error, and its groups are correct. Only the Runner fails, and its error does not name
    the value that causes it.

    mmengine's ``Runner`` logs and dumps the config as Python text. Functions, lambdas and objects cannot be written as
    Python text. A lazy config keeps every function that it defines or imports. Other configs drop functions at their
    top level, but keep functions in dicts and lists.

    Move the function into a module of the project, and refer to it by a string or import it with ``custom_imports``. To
    find the values that mmengine cannot write as text, lrdecay lets mmengine write the config; it does not run the
    config's functions.
    """
    if paths := context.group_map.training.unwritable or ():
        yield Fault(
            f"mmengine cannot write the config as text, because of {listed(paths)}",
            "move the function into a module, and refer to it by a string",
            option=paths[0],
        )
