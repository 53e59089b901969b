"""The names of a backbone's layers, as ordered rules of constructors that decay by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from lrdecay_cli.decay.families import BACKBONE_PREFIX, ClassNames, Family
from lrdecay_cli.decay.families.interface import depths_by, index_part, with_the_head
from lrdecay_cli.decay.options import DecayOptions, DecayType
from lrdecay_cli.domain.provenance import FALLBACK, Formula, by_name

TOKENS = ("cls_token", "mask_token", "pos_embed")
"""Parameters of the backbone itself that all of these constructors give the stem's layer id."""
TOKENS_PATTERN = (f"{BACKBONE_PREFIX}{{{','.join(TOKENS)}}}", "0")


class Clause(NamedTuple):
    """A rule for layer ids: a pattern of names, and the ids of matching names."""

    pattern: str
    expression: str
    matches: Callable[[str], bool]
    """Takes a full name."""
    layer_id: Callable[[str, tuple[int, ...]], Formula]
    """Takes such a name and the depths. Raises DecayError for a missing or non-integer index."""


class LayerNames(NamedTuple):
    """The layer-id rules of one family, in the constructor's order."""

    family: Family
    heads: tuple[str, ...]
    """Beginnings of names within the backbone that have their own rule, after the tokens."""
    patterns: Mapping[DecayType, tuple[tuple[str, str], ...]]
    """Pattern and expression of the tokens, of each head, and of all other names."""
    describe_layers: Callable[[DecayOptions, tuple[int, ...], int], Iterator[str]]
    """Remarks on a block's layer id, from options and depths; one sentence each."""
    clauses: tuple[Clause, ...] = ()
    """The rules themselves, if they go beyond the tokens and these heads."""

    def position(self, name: str) -> int:
        """Return the index in :attr:`patterns` of the rule that matches a full name."""
        if self.clauses:
            return [*(clause.matches(name) for clause in self.clauses), True].index(True)
        own = name.removeprefix(BACKBONE_PREFIX) if name.startswith(BACKBONE_PREFIX) else ""
        return [own in TOKENS, *(own.startswith(head) for head in self.heads), True].index(True)


def at_stem(*starts: str, tokens: tuple[str, ...] = ()) -> tuple[Clause, ...]:
    """Return rules that give the stem's id to tokens of the backbone and to full names with these beginnings."""
    whole = tuple(f"{BACKBONE_PREFIX}{token}" for token in tokens)
    listed = f"{BACKBONE_PREFIX}{{{','.join(tokens)}}}"
    of_tokens = Clause(listed, "0", lambda name: name in whole, lambda name, depths: by_name(name, "0", "0", 0))
    return (*((of_tokens,) if tokens else ()), *(stem_clause(start, str.startswith) for start in starts))


def stem_clause(part: str, matches: Callable[[str, str], bool], pattern: str = "") -> Clause:
    """Return the rule that gives the stem's id to names in which ``matches`` finds ``part``."""
    shown = pattern or part
    return Clause(shown, "0", lambda name: matches(name, part), lambda name, depths: by_name(shown, "0", "0", 0))


def block_clause(row: str) -> Clause:
    """Return the rule that gives each block of a row, such as ``layers``, its own layer id, starting at 1."""
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
    """Return layer ids by the first matching rule. All other names get the head's layer id.

    Args:
        clauses: the rules, in order.
        classes: the supported backbones.
        blocks: regular expression for a block's parameter after the prefix, with groups for its indices.
        heads: beginnings of block names.
        decay_types: the decay types that the constructor accepts and treats alike.
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
    """Return layer ids of a vision transformer in mmseg, mmpose and mmaction: stem 0, one per block, the rest with the
    head.

    Args:
        row: the list of blocks in the backbone: ``layers``.
        classes: the supported backbones.
    """
    clauses = (*at_stem(f"{BACKBONE_PREFIX}patch_embed", tokens=TOKENS), block_clause(row))
    return layers_by(clauses, classes, rf"{row}\.(\d+)\.", ("patch_embed", row))


def _describe_blocks(options: DecayOptions, depths: tuple[int, ...], layer_id: int) -> Iterator[str]:
    fitting, num_layers = sum(depths), options.num_layers
    yield from describe_top(num_layers, fitting, depths, layer_id)
    if layer_id == fitting < num_layers:
        yield (
            f"there is a gap: the last block is {num_layers + 1 - fitting} layers below the head;"
            f" num_layers={fitting} fits {fitting} blocks"
        )


def describe_top(num_layers: int, fitting: int, depths: tuple[int, ...], layer_id: int) -> Iterator[str]:
    """Yield a remark on a block whose layer id is at or above the head's."""
    head, fits = num_layers + 1, f"num_layers={fitting} fits depths {depths}"
    if layer_id > head:
        yield (
            f"layer id {layer_id} is above the head's, num_layers + 1 = {head}: the exponent is negative, so the lr"
            f" grows; {fits}"
        )
    elif layer_id == head:
        yield f"the block has the head's layer id: num_layers={num_layers} is too small; {fits}"
