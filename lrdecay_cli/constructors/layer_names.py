"""Ordered rules that map parameter names to layer ids, for constructors that recognise layers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from lrdecay_cli.decay.families import BACKBONE_PREFIX, ClassNames, Family
from lrdecay_cli.decay.families.interface import depths_by, index_part, with_the_head
from lrdecay_cli.decay.options import DecayOptions, DecayType
from lrdecay_cli.domain.provenance import FALLBACK, Formula, by_name

TOKENS = ("cls_token", "mask_token", "pos_embed")
"""Parameters that the backbone class itself registers. They get the stem's layer id."""
TOKENS_PATTERN = (f"{BACKBONE_PREFIX}{{{','.join(TOKENS)}}}", "0")


class Clause(NamedTuple):
    """A rule for layer ids: which names it matches, and the layer id of a matching name."""

    pattern: str
    expression: str
    matches: Callable[[str], bool]
    """Returns True if the rule matches this full parameter name."""
    layer_id: Callable[[str, tuple[int, ...]], Formula]
    """Maps a matching name and depths to the layer id. Raises DecayError if an index is missing or not an integer."""


class LayerNames(NamedTuple):
    """The rules for the layer ids of one backbone family, in the order of the constructor."""

    family: Family
    heads: tuple[str, ...]
    """Beginnings of parameter names, without the backbone's prefix: ``layers``. Each beginning has one rule.

    These rules come after the rule for tokens.
    """
    patterns: Mapping[DecayType, tuple[tuple[str, str], ...]]
    """Pattern and layer id expression of each rule.

    The order is: the rule for tokens, a rule for each of ``heads``, the rule for all other names.
    """
    describe_layers: Callable[[DecayOptions, tuple[int, ...], int], Iterator[str]]
    """Yields remarks on the layer id of a block as sentences. Arguments: options, depths and layer id."""
    clauses: tuple[Clause, ...] = ()
    """All rules in order; empty if there are only the rules for tokens and ``heads``."""

    def position(self, name: str) -> int:
        """Return the index in :attr:`patterns` of the first rule that matches a full parameter name."""
        if self.clauses:
            return [*(clause.matches(name) for clause in self.clauses), True].index(True)
        own = name.removeprefix(BACKBONE_PREFIX) if name.startswith(BACKBONE_PREFIX) else ""
        return [own in TOKENS, *(own.startswith(head) for head in self.heads), True].index(True)


def at_stem(*starts: str, tokens: tuple[str, ...] = ()) -> tuple[Clause, ...]:
    """Return rules that give the parameters with these names the stem's layer id.

    Args:
        starts: beginnings of full parameter names.
        tokens: names of parameters that the backbone class itself registers, without prefix: ``cls_token``.
    """
    whole = tuple(f"{BACKBONE_PREFIX}{token}" for token in tokens)
    listed = f"{BACKBONE_PREFIX}{{{','.join(tokens)}}}"
    of_tokens = Clause(listed, "0", lambda name: name in whole, lambda name, depths: by_name(name, "0", "0", 0))
    return (*((of_tokens,) if tokens else ()), *(stem_clause(start, str.startswith) for start in starts))


def stem_clause(part: str, matches: Callable[[str, str], bool], pattern: str = "") -> Clause:
    """Return a rule that gives the stem's layer id to names for which ``matches(name, part)`` is True."""
    shown = pattern or part
    return Clause(shown, "0", lambda name: matches(name, part), lambda name, depths: by_name(shown, "0", "0", 0))


def block_clause(row: str) -> Clause:
    """Return a rule that gives each block its own layer id, starting at 1.

    ``row`` is the module with the blocks, such as ``layers``.
    """
    start = f"{BACKBONE_PREFIX}{row}"

    def layer_id(name: str, depths: tuple[int, ...]) -> Formula:
        block = index_part(name, name.removeprefix(BACKBONE_PREFIX).split("."), 1, "block")
        return by_name(f"{start}.<block>", "block + 1", f"{block} + 1", block + 1, {"block": block})

    return Clause(f"{start}.<block>", "block + 1", lambda name: name.startswith(start), layer_id)


def layers_by(
    clauses: tuple[Clause, ...],
    classes: ClassNames,
    blocks: str,
    heads: tuple[str, ...],
    decay_types: tuple[DecayType, ...] = ("layer_wise",),
) -> LayerNames:
    """Return rules for layer ids. The first rule that matches a name counts; other names get the head's layer id.

    Args:
        clauses: the rules, in order.
        classes: the supported backbones.
        blocks: regular expression for the name of a block's parameter, without the backbone's prefix. Its groups
            match the index of the stage, if there are stages, and the index of the block.
        heads: beginnings of block names after the prefix. For example, ``("layers",)`` for ``layers.0``, ``layers.1``.
        decay_types: the decay types that the constructor accepts. It treats all of them the same.
    """

    def rule(name: str, num_layers: int, depths: tuple[int, ...] = (), prefix: str = BACKBONE_PREFIX) -> Formula:
        found = next((clause for clause in clauses if clause.matches(name)), None)
        return found.layer_id(name, depths) if found else with_the_head(num_layers)

    patterns = (*((clause.pattern, clause.expression) for clause in clauses), (FALLBACK, "num_layers + 1"))
    return LayerNames(
        family=Family(
            name=heads[0],
            classes=classes,
            rules=dict.fromkeys(decay_types, rule),
            depths=depths_by(blocks),
            fitting_num_layers=sum,
            must_fit=False,
        ),
        heads=heads,
        patterns=dict.fromkeys(decay_types, patterns),
        describe_layers=_describe_blocks,
        clauses=clauses,
    )


def row_of_blocks(row: str, classes: ClassNames) -> LayerNames:
    """Return the rules for the layer ids of a vision transformer in mmseg, mmpose and mmaction.

    The stem has layer id 0, and each block has its own layer id. All other parameters have the head's layer id.

    Args:
        row: name of the module with the blocks: ``layers``.
        classes: the supported backbones.
    """
    clauses = (*at_stem(f"{BACKBONE_PREFIX}patch_embed", tokens=TOKENS), block_clause(row))
    return layers_by(clauses, classes, rf"{row}\.(\d+)\.", ("patch_embed", row))


def _describe_blocks(options: DecayOptions, depths: tuple[int, ...], layer_id: int) -> Iterator[str]:
    fitting, num_layers = sum(depths), options.num_layers
    yield from describe_top(num_layers, fitting, depths, layer_id)
    if layer_id == fitting < num_layers:
        yield (
            f"num_layers={num_layers} is too large: the last block is {num_layers + 1 - fitting} layers below the head;"
            f" num_layers={fitting} fits {fitting} blocks"
        )


def describe_top(num_layers: int, fitting: int, depths: tuple[int, ...], layer_id: int) -> Iterator[str]:
    """Yield a remark if the layer id of a block is the head's layer id or a higher one."""
    head, fits = num_layers + 1, f"num_layers={fitting} fits depths {depths}"
    if layer_id > head:
        yield (
            f"layer id {layer_id} is above the head's, num_layers + 1 = {head}: the exponent is negative, so the lr"
            f" grows; {fits}"
        )
    elif layer_id == head:
        yield f"the block has the head's layer id: num_layers={num_layers} is too small; {fits}"
