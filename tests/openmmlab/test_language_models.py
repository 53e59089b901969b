"""Language models have the parameters of the real ones, and are built without weights, vocabulary or network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertConfig, BertModel, PreTrainedModel

from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.openmmlab.build_context import constructing
from lrdecay_cli.openmmlab.patching import NotHereError
from tests.openmmlab.network import network_refused

CONFIG = """
custom_imports = dict(imports=["mmdet.models.language_models"])
default_scope = "mmdet"
model = dict(type="BertModel", name={name!r})
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1))
"""
TINY = {
    "model_type": "bert",
    "vocab_size": 11,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}


def shapes_below(group_map: GroupMap, prefix: str) -> dict[str, tuple[int, ...]]:
    parameters = [*(parameter for _, parameter in group_map.grouped()), *group_map.frozen, *group_map.missing]
    return {p.name.removeprefix(prefix): p.shape for p in parameters if p.name.startswith(prefix)}


def shapes_of(model: PreTrainedModel) -> dict[str, tuple[int, ...]]:
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ("mmdet::glip/glip_atss_swin-t_a_fpn_dyhead_pretrain_obj365.py", False),
        ("mmdet::grounding_dino/grounding_dino_swin-t_pretrain_obj365_goldg_cap4m.py", True),
    ],
)
def test_zoo_has_the_parameters_of_the_real_model(config: str, pooling: bool, device: str) -> None:
    group_map = audit(config, device=device)
    with torch.device("meta"):
        real = shapes_of(BertModel(BertConfig(), add_pooling_layer=pooling))
    assert shapes_below(group_map, "language_model.language_backbone.body.model.") == real
    assert len(real) == 197 + 2 * pooling
    assert "bert-base-uncased" in [stub.name for stub in group_map.stubs]


# Parameters of the published checkpoints, with the pooling layer: https://huggingface.co/docs/transformers (v2.0.0,
# "Pretrained models") and Devlin et al. 2019.
SIZES = {
    "bert-base-uncased": 109_482_240,
    "bert-large-uncased": 335_141_888,
    "google-bert/bert-base-cased": 108_310_272,
}


@pytest.mark.parametrize("name", SIZES)
def test_known_architectures_have_their_published_size(name: str) -> None:
    with constructing("meta"), network_refused() as attempts:
        model = AutoModel.from_pretrained(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == SIZES[name]
    assert attempts == []


def test_tied_weights_stay_tied() -> None:
    """The library skips tying if it is configured to skip initialisation."""
    from transformers import BertForMaskedLM

    with constructing("cpu"):
        model = BertForMaskedLM.from_pretrained("bert-base-uncased")
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight


def test_a_folder_with_a_configuration_is_used(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    with constructing("cpu"):
        model = MODELS.get("mmdet.BertModel")(name=str(tmp_path), add_pooling_layer=True)
    assert shapes_of(model.language_backbone.body.model) == shapes_of(BertModel(BertConfig(**TINY)))


def test_the_local_hub_cache_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown name works as soon as its config.json is in the cache; nothing is ever downloaded."""
    monkeypatch.setattr("transformers.utils.hub.TRANSFORMERS_CACHE", str(tmp_path))
    (tmp_path / "config.py").write_text(CONFIG.format(name="somebody/tiny-bert"))
    with pytest.raises(LrdecayError, match=r"huggingface-cli download somebody/tiny-bert config\.json"):
        audit(str(tmp_path / "config.py"))
    cached = tmp_path / "models--somebody--tiny-bert"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0")
    (cached / "snapshots" / "0").mkdir(parents=True)
    (cached / "snapshots" / "0" / "config.json").write_text(json.dumps(TINY))
    with network_refused() as attempts:
        group_map = audit(str(tmp_path / "config.py"))
    expected = shapes_of(BertModel(BertConfig(**TINY), add_pooling_layer=False))
    assert shapes_below(group_map, "language_backbone.body.model.") == expected
    assert attempts == []


@pytest.mark.parametrize(
    ("name", "status", "fix"),
    [
        ("somebody/unheard-of", "needs somebody/unheard-of", "huggingface-cli download"),
        ("YOUR_PATH_TO_BERT", "needs YOUR_PATH_TO_BERT", "path of the model's folder"),
        ("/no/such/folder", "needs /no/such/folder", "path of the model's folder"),
    ],
)
def test_an_unknown_model_is_named(name: str, status: str, fix: str, tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(CONFIG.format(name=name))
    with pytest.raises(LrdecayError) as raised, network_refused() as attempts:
        audit(str(tmp_path / "config.py"))
    assert raised.value.status == status
    assert fix in raised.value.fix
    assert attempts == []


@pytest.mark.parametrize(
    ("mapped", "place", "fix"),
    [
        ("somebody/code--modeling.Net", "somebody/code", "huggingface-cli download somebody/code modeling.py"),
        ("modeling.Net", "{folder}", "put modeling.py into {folder}"),
    ],
)
@pytest.mark.parametrize(("auto", "kind"), [(AutoModel, "bert"), (AutoConfig, "unheard-of")])
def test_code_that_is_not_here_is_named(
    auto: type, kind: str, mapped: str, place: str, fix: str, tmp_path: Path
) -> None:
    """Its class is not downloaded either: a model's configuration may name a repository with its class."""
    settings = {**TINY, "model_type": kind, "auto_map": {auto.__name__: mapped}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with constructing("cpu"), network_refused() as attempts, pytest.raises(NotHereError) as refused:
        auto.from_pretrained(str(tmp_path), trust_remote_code=True)
    place = place.format(folder=tmp_path)
    assert str(refused.value) == f"modeling.py of {place!r} is not in the local cache, and lrdecay downloads nothing"
    assert (refused.value.needs, refused.value.fix) == (place, fix.format(folder=tmp_path))
    assert attempts == []


def test_quantised_weights_are_refused() -> None:
    with constructing("cpu"), pytest.raises(NotHereError, match="quantised"):
        AutoModel.from_pretrained("bert-base-uncased", load_in_8bit=True)


def test_a_tokenizer_counts_its_tokens() -> None:
    """BLIP-2 sizes an embedding by its tokenizer's length, after it has added a token to it."""
    with constructing("cpu"):
        tokenizer = AutoTokenizer.from_pretrained("bert-base-uncased")
        unknown = AutoTokenizer.from_pretrained("somebody/unheard-of")
    assert len(tokenizer) == 30522
    assert tokenizer.add_special_tokens({"bos_token": "[DEC]"}) == 1
    assert tokenizer.add_special_tokens({"bos_token": "[DEC]", "additional_special_tokens": ["[ENC]", "[CLS]"]}) == 1
    assert len(tokenizer) == 30524
    assert tokenizer.convert_tokens_to_ids(["a", "b"]) == [0, 0]
    assert tokenizer("a cat", return_tensors="pt").attention_mask.shape == (1, 1)
    assert tokenizer.batch_encode_plus(["a", "b"]).input_ids == [[0], [0]]
    assert tokenizer.encode("a cat") == [tokenizer.pad_token_id] == [0]
    assert (tokenizer.bos_token, tokenizer.sep_token, tokenizer.all_special_tokens) == ("[DEC]", "", [])
    # A model that tests "if tokenizer" gets a true value, also with an unknown length.
    assert bool(unknown)
    with pytest.raises(AttributeError, match="overflowing_tokens"):
        tokenizer("a cat").overflowing_tokens  # noqa: B018
    with pytest.raises(NotHereError, match="vocabulary size of 'somebody/unheard-of'"):
        len(unknown)
    with pytest.raises(AttributeError, match="downloads nothing"):
        tokenizer.vocab  # noqa: B018


def test_everything_is_put_back() -> None:
    before = [AutoConfig.from_pretrained, PreTrainedModel.from_pretrained, AutoTokenizer.from_pretrained]
    with constructing("cpu"):
        assert PreTrainedModel.from_pretrained != before[1]
    assert [AutoConfig.from_pretrained, PreTrainedModel.from_pretrained, AutoTokenizer.from_pretrained] == before


def test_names_from_keywords_of_the_library() -> None:
    """A config uses this name for mmaction2's VindLUTokenizer, which is registered as its from_pretrained."""
    by_keyword = {"pretrained_model_name_or_path": "bert-base-uncased"}
    with constructing("cpu"):
        assert len(AutoTokenizer.from_pretrained(**by_keyword)) == 30522
        assert BertConfig.from_pretrained(**by_keyword).hidden_size == 768
        assert BertModel.from_pretrained(**by_keyword, num_hidden_layers=1).config.num_hidden_layers == 1
