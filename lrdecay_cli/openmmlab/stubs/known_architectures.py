"""Published sizes of pretrained models that configs of the zoos use.

Source for a language model: its ``config.json`` on the Hugging Face hub, without values that equal the defaults of the
configuration class. Sources for CLIP: Radford et al. 2021, table 20 (ViT-B/16), and the vocabulary of CLIP's tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _sizes(kind: str, vocabulary: int, hidden: int, layers: int, heads: int, **others: float) -> Mapping[str, Any]:
    return {
        "model_type": kind,
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        **others,
    }


_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
_ROBERTA = _sizes("roberta", 50265, 768, 12, 12, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5)
_BERT = _sizes("bert", 30522, 768, 12, 12, intermediate_size=3072, max_position_embeddings=512, type_vocab_size=2)
_LLAMA_7B = _sizes("llama", 32000, 4096, 32, 32, intermediate_size=11008)

LANGUAGE_MODELS: Mapping[str, Mapping[str, Any]] = {
    "bert-base-uncased": _BERT,
    "bert-base-cased": {**_BERT, "vocab_size": 28996},
    "bert-base-chinese": {**_BERT, "vocab_size": 21128},
    "bert-base-multilingual-uncased": {**_BERT, "vocab_size": 105879},
    "bert-base-multilingual-cased": {**_BERT, "vocab_size": 119547},
    "bert-large-uncased": {**_BERT, **_LARGE},
    "bert-large-cased": {**_BERT, **_LARGE, "vocab_size": 28996},
    "roberta-base": _ROBERTA,
    "roberta-large": {**_ROBERTA, **_LARGE},
    "facebook/opt-2.7b": _sizes(
        *("opt", 50272, 2560, 32, 32), ffn_dim=10240, max_position_embeddings=2048, word_embed_proj_dim=2560
    ),
    "huggyllama/llama-7b": _LLAMA_7B,
    "decapoda-research/llama-7b-hf": _LLAMA_7B,
}
"""A dict from the name of a language model on the Hugging Face hub to the content of its ``config.json``."""

_OWNERS = ("google-bert/", "FacebookAI/")
_BERT_TOKENS = frozenset({"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"})


def language_model(name: str) -> Mapping[str, Any] | None:
    """Return the ``config.json`` of a language model; None if unknown.

    ``name`` may begin with the owner ``google-bert/`` or ``FacebookAI/``.
    """
    for owner in _OWNERS:
        name = name.removeprefix(owner)
    return LANGUAGE_MODELS.get(name)


def vocabulary(name: str) -> tuple[int, frozenset[str]] | None:
    """Return the number of tokens of a BERT model's tokenizer, and its special tokens; None for other models.

    BERT's embedding has one row for each token. The embedding of another model may have additional rows, so the number
    of tokens of such a model is unknown.
    """
    known = language_model(name)
    return (known["vocab_size"], _BERT_TOKENS) if known and known["model_type"] == "bert" else None


def clip_shapes(file: str) -> dict[str, tuple[int, ...]] | None:
    """Return the shapes of some tensors in a CLIP checkpoint, by tensor name; None for another file.

    mmpretrain derives the architecture of the model from these shapes.
    """
    if file.rpartition("/")[2] != "clip_vit_base_16.pth.tar":
        return None
    width, patch, grid, text_width, embedded, context, tokens, layers = 768, 16, 14, 512, 512, 77, 49408, 12
    shapes: dict[str, tuple[int, ...]] = {
        "visual.proj": (width, embedded),
        "visual.conv1.weight": (width, 3, patch, patch),
        "visual.positional_embedding": (grid * grid + 1, width),
        "text_projection": (text_width, embedded),
        "positional_embedding": (context, text_width),
        "token_embedding.weight": (tokens, text_width),
        "ln_final.weight": (text_width,),
    }
    for layer in range(layers):
        shapes[f"visual.transformer.resblocks.{layer}.attn.in_proj_weight"] = (3 * width, width)
        shapes[f"transformer.resblocks.{layer}.attn.in_proj_weight"] = (3 * text_width, text_width)
    return shapes
