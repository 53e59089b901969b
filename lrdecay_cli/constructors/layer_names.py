"""The names of a backbone's layers, as constructors that decay by name ask for them: rules in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from lrdecay_cli.decay.families import BACKBONE_PREFIX, ClassNames, Family
from lrdecay_cli.decay.families.interface import depths_by, index_part, with_the_head
from lrdecay_cli.decay.options import DecayOptions, DecayType
from lrdecay_cli.domain.provenance import FALLBACK, Formula, by_name

TOKENS = ("cls_token", "mask_token", "pos_embed")
"""Parameters of the backbone itself that all of them put beside the stem."""
TOKENS_PATTERN = (f"{BACKBONE_PREFIX}{{{','.join(TOKENS)}}}", "0")


class Clause(NamedTuple):
    """A rule for layer ids: the names that it matches, and their ids."""

    pattern: str
    expression: str
    matches: Callable[[str], bool]
    """From a full name."""
    layer_id: Callable[[str, tuple[int, ...]], Formula]
    """From such a name and the depths. Raises DecayError for an index that is missing or no integer."""


class LayerNames(NamedTuple):
    """The rules for the layer ids of one family, in the order in which a constructor asks them."""

    family: Family
    heads: tuple[str, ...]
    """How the names within the backbone begin that have a rule of their own, behind the tokens."""
    patterns: Mapping[DecayType, tuple[tuple[str, str], ...]]
    """Pattern and expression of the tokens, of each head, and of everything else."""
    describe_layers: Callable[[DecayOptions, tuple[int, ...], int], Iterator[str]]
    """What is odd about a block's layer id, from options and depths; a sentence each."""
    clauses: tuple[Clause, ...] = ()
    """The rules themselves, where they are more than the tokens and these heads."""

    def position(self, name: str) -> int:
        """The place in :attr:`patterns` of the rule that matches a full name."""
        if self.clauses:
            return [*(clause.matches(name) for clause in self.clauses), True].index(True)
        own = name.removeprefix(BACKBONE_PREFIX) if name.startswith(BACKBONE_PREFIX) else ""
        return [own in TOKENS, *(own.startswith(head) for head in self.heads), True].index(True)


def at_stem(*starts: str, tokens: tuple[str, ...] = ()) -> tuple[Clause, ...]:
    """The rules that put tokens of the backbone, and names that begin so, beside the stem. Full names."""
    whole = tuple(f"{BACKBONE_PREFIX}{token}" for token in tokens)
    listed = f"{BACKBONE_PREFIX}{{{','.join(tokens)}}}"
    of_tokens = Clause(listed, "0", lambda name: name in whole, lambda name, depths: by_name(name, "0", "0", 0))
    return (*((of_tokens,) if tokens else ()), *(stem_clause(start, str.startswith) for start in starts))


def stem_clause(part: str, matches: Callable[[str, str], bool], pattern: str = "") -> Clause:
    """The rule that puts names beside the stem that ``matches`` finds ``part`` in."""
    shown = pattern or part
    return Clause(shown, "0", lambda name: matches(name, part), lambda name, depths: by_name(shown, "0", "0", 0))


def block_clause(row: str) -> Clause:
    """The rule that gives each block of a row, such as ``layers``, a layer id of its own, from 1 on."""
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
    """Layer ids by the first rule that matches; all else is the head's.

    Args:
        clauses: the rules, in their order.
        classes: the backbones that are served so.
        blocks: regular expression for a block's parameter behind the prefix, with groups for its indices.
        heads: how the names of blocks begin.
        decay_types: the ones that the constructor takes, and treats alike.
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
    """Layer ids of a vision transformer by mmseg, mmpose and mmaction: the stem 0, every block one, all else the head.

    Args:
        row: the list of the blocks in the backbone: ``layers``.
        classes: the backbones that are served so.
    """
    clauses = (*at_stem(f"{BACKBONE_PREFIX}patch_embed", tokens=TOKENS), block_clause(row))
    return layers_by(clauses, classes, rf"{row}\.(\d+)\.", ("patch_embed", row))


def _describe_blocks(options: DecayOptions, depths: tuple[int, ...], layer_id: int) -> Iterator[str]:
    fitting, num_layers = sum(depths), options.num_layers
    yield from describe_top(num_layers, fitting, depths, layer_id)
    if layer_id == fitting < num_layers:
        yield (
            f"there is a gap: the last block lies {num_layers + 1 - fitting} layers below the head;"
            f" num_layers={fitting} fits {fitting} blocks"
        )


def describe_top(num_layers: int, fitting: int, depths: tuple[int, ...], layer_id: int) -> Iterator[str]:
    """Describe in a sentence a block's layer id at the height of the head or above it."""
    head, fits = num_layers + 1, f"num_layers={fitting} fits depths {depths}"
    if layer_id > head:
        yield (
            f"layer id {layer_id} lies above the head's, num_layers + 1 = {head}: the exponent is negative, and decay"
            f" turns into growth; {fits}"
        )
    elif layer_id == head:
        yield f"a block at the height of the head: num_layers={num_layers} is too small; {fits}"
