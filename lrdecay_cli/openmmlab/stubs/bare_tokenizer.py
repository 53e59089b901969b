"""A tokenizer without its vocabulary, for models that make theirs when they are built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from lrdecay_cli.openmmlab.failures.refusals import NotHereError
from lrdecay_cli.openmmlab.stubs.known_architectures import vocabulary


class BareTokenizer:
    """Answers what models ask while they are built. It counts its tokens, and every id is 0.

    Args:
        name: hub name or path of the tokenizer that it stands in for.
    """

    def __init__(self, name: str) -> None:
        self.name_or_path = name
        known = vocabulary(name)
        self._special = known[1] if known else frozenset()
        self._added: set[str] = set()

    def __len__(self) -> int:
        known = vocabulary(self.name_or_path)
        if known is None:
            raise NotHereError(
                f"the model asks for the number of tokens of {self.name_or_path!r}, whose vocabulary is not here",
                needs=self.name_or_path,
                remedy="its tokenizer in the local cache or in a folder is used",
            )
        return known[0] + len(self._added)

    def __bool__(self) -> bool:
        return True

    def __call__(self, text: Any = "", *_args: Any, return_tensors: str | None = None, **_kwargs: Any) -> _Encoding:
        """One token for each text."""
        several = [[0]] if isinstance(text, str) else [[0] for _ in text]
        ids: Any = torch.tensor(several) if return_tensors else several[0] if isinstance(text, str) else several
        return _Encoding(input_ids=ids, attention_mask=ids, token_type_ids=ids)

    batch_encode_plus = encode_plus = __call__

    def encode(self, *_args: Any, **_kwargs: Any) -> list[int]:
        """One token."""
        return [0]

    def convert_tokens_to_ids(self, tokens: str | Iterable[str]) -> int | list[int]:
        """0 for each token."""
        return 0 if isinstance(tokens, str) else [0 for _ in tokens]

    def add_tokens(self, tokens: str | Iterable[str], *_args: Any, **_kwargs: Any) -> int:
        """Count tokens that are new; return how many."""
        before = len(self._added)
        self._added |= ({tokens} if isinstance(tokens, str) else {*map(str, tokens)}) - self._special
        return len(self._added) - before

    def add_special_tokens(self, tokens: Mapping[str, Any], *_args: Any, **_kwargs: Any) -> int:
        """As add_tokens, and keep each under its role (``bos_token``)."""
        for role, token in tokens.items():
            setattr(self, role, token)
        return sum(self.add_tokens(token) for token in tokens.values())

    def __getattr__(self, name: str) -> Any:
        if name.endswith("_token_id"):
            return 0
        if name.endswith("_token"):
            return ""
        if name.endswith(("_tokens", "_ids")):
            return []
        raise AttributeError(
            f"{name}: the tokenizer of {self.name_or_path!r} is not here, and lrdecay downloads nothing"
        )


class _Encoding(dict[str, Any]):
    """Ids by name, as attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None
