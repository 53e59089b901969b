"""Build language models of the transformers library from their configuration, without weights, vocabulary or network.

The library's own classes create the parameters. A configuration comes from a local folder, the local cache of the hub,
or :mod:`known_architectures`. A model that creates a tokenizer gets a tokenizer without a vocabulary.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from lrdecay_cli.cache import probed
from lrdecay_cli.domain.group_map import Stub
from lrdecay_cli.openmmlab.patching import NotHereError, patched, patched_on_import
from lrdecay_cli.openmmlab.stubs.known_architectures import language_model, vocabulary

_Report = Callable[[Stub], None]

# Options of from_pretrained for finding and loading weights: all others go to the model's class.
_LOADING = frozenset(
    {
        *("adapter_kwargs", "adapter_name", "cache_dir", "code_revision", "device_map", "force_download", "from_flax"),
        *("from_tf", "gguf_file", "ignore_mismatched_sizes", "local_files_only", "low_cpu_mem_usage", "max_memory"),
        *("mirror", "offload_buffers", "offload_folder", "offload_state_dict", "output_loading_info", "proxies"),
        *("resume_download", "revision", "state_dict", "subfolder", "token", "torch_dtype", "trust_remote_code"),
        *("use_auth_token", "use_safetensors", "variant", "_commit_hash", "_fast_init", "_from_auto", "_from_pipeline"),
    }
)
_QUANTISING = ("load_in_8bit", "load_in_4bit", "quantization_config")


@contextmanager
def language_models_from_facts(report: _Report) -> Iterator[None]:
    """Let ``from_pretrained`` of transformers' classes build models without weights. ``report`` gets a stub for each
    model.

    This function does not import transformers. The modules of transformers are patched when other code imports them.
    """
    patches = {
        "transformers.configuration_utils": _configurations,
        "transformers.modeling_utils": lambda module: _models(module, report),
        # Every AutoModel has its own from_pretrained. It looks for a commit, an adapter and model code on the hub, and
        # then calls from_pretrained of the model's class.
        "transformers.models.auto.auto_factory": lambda module: patched(
            module,
            cached_file=lambda *_args, **_kwargs: None,
            find_adapter_config_file=lambda *_args, **_kwargs: None,
            get_class_from_dynamic_module=_from_cache_alone(module.get_class_from_dynamic_module),
        ),
        "transformers.models.auto.configuration_auto": lambda module: patched(
            module, get_class_from_dynamic_module=_from_cache_alone(module.get_class_from_dynamic_module)
        ),
        "transformers.tokenization_utils_base": lambda module: _tokenizers(module.PreTrainedTokenizerBase),
        "transformers.models.auto.tokenization_auto": lambda module: _tokenizers(module.AutoTokenizer),
    }
    with patched_on_import(patches):
        yield


def _configurations(module: types.ModuleType) -> Any:
    original = module.PretrainedConfig.get_config_dict.__func__

    def get_config_dict(
        cls: Any, /, pretrained_model_name_or_path: Any, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        name = pretrained_model_name_or_path
        try:
            found: tuple[dict[str, Any], dict[str, Any]] = original(cls, name, **{**kwargs, "local_files_only": True})
            return found
        except OSError:
            known = language_model(str(name))
            if known is None:
                raise _unknown(str(name)) from None
            from huggingface_hub.constants import HF_HUB_CACHE

            # A cached result depends on these: the hub's local cache has priority once it has the model.
            for place in (str(name), str(Path(HF_HUB_CACHE, f"models--{str(name).replace('/', '--')}"))):
                probed(place)
            return dict(known), _without(_LOADING, kwargs)

    return patched(module.PretrainedConfig, get_config_dict=classmethod(get_config_dict))


def _models(module: types.ModuleType, report: _Report) -> Any:
    def from_pretrained(
        cls: Any, /, pretrained_model_name_or_path: Any = None, *args: Any, config: Any = None, **kwargs: Any
    ) -> Any:
        name = pretrained_model_name_or_path
        if any(kwargs.pop(key, None) for key in _QUANTISING):
            problem = f"the model loads {str(name)!r} quantised, which needs its weights"
            raise NotHereError(problem, needs="quantised weights")
        options = _without(_LOADING, kwargs)
        if not isinstance(config, module.PretrainedConfig):
            config, options = cls.config_class.from_pretrained(config or name, return_unused_kwargs=True, **options)
        report(Stub(str(name), "built from the model's published configuration, without weights and vocabulary"))
        model = cls(config, *args, **options)
        model.tie_weights()
        return model.eval()

    # transformers' own flag to skip initialisation would also skip tying weights.
    return patched(
        module.PreTrainedModel,
        from_pretrained=classmethod(from_pretrained),
        _initialize_weights=lambda _model, _module, *_args: None,
    )


def _from_cache_alone(load: Callable[..., Any]) -> Callable[..., Any]:
    def load_cached(reference: str, name: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return load(reference, name, *args, **{**kwargs, "local_files_only": True})
        except OSError:
            # The code is in the model's repository, or in the repository of a reference owner/name--module.Class.
            named, _, thing = reference.rpartition("--")
            place, file = named or str(name), f"{thing.partition('.')[0]}.py"
            fix = f"put {file} into {place}" if Path(place).is_dir() else f"huggingface-cli download {place} {file}"
            problem = f"{file} of {place!r} is not in the local cache, and lrdecay downloads nothing"
            raise NotHereError(problem, needs=place, fix=fix) from None

    return load_cached


def _tokenizers(owner: Any) -> Any:
    original = owner.from_pretrained.__func__

    # The library's parameter name, because a config uses it (mmaction2's VindLU).
    def from_pretrained(cls: Any, /, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        name = pretrained_model_name_or_path
        try:
            return original(cls, name, *args, **{**kwargs, "local_files_only": True})
        except Exception:
            # The vocabulary or the package that reads it is missing: neither affects the model's parameters.
            return _BareTokenizer(str(name))

    return patched(owner, from_pretrained=classmethod(from_pretrained))


def _unknown(name: str) -> NotHereError:
    # A hub name is at most owner/name; a placeholder is in capitals (YOUR_PATH_TO_VICUNA).
    if name.startswith(("/", ".", "~")) or name.count("/") > 1 or name.isupper():
        return NotHereError(f"{name!r} contains no language model", name, "set the path of the model's folder")
    fix = f"put config.json of the model into the local cache: huggingface-cli download {name} config.json"
    return NotHereError(f"lrdecay does not know the layer sizes of model {name!r}, and downloads nothing", name, fix)


def _without(names: frozenset[str], options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in names}


class _BareTokenizer:
    """A tokenizer without a vocabulary, for models that are only built. Every token id is 0."""

    def __init__(self, name: str) -> None:
        self.name_or_path = name
        known: tuple[int | None, frozenset[str]] = vocabulary(name) or (None, frozenset())
        self._tokens, self._special = known
        self._added: set[str] = set()

    def __len__(self) -> int:
        if self._tokens is None:
            name = self.name_or_path
            fix = "put the model's tokenizer into the local cache, or set the path of a folder with the tokenizer"
            problem = f"the model needs the vocabulary size of {name!r}, but the vocabulary is not in the local cache"
            raise NotHereError(problem, name, fix)
        return self._tokens + len(self._added)

    def __bool__(self) -> bool:
        return True

    def __call__(self, text: Any = "", *_args: Any, return_tensors: str | None = None, **_kwargs: Any) -> _Encoding:
        # One token for each text.
        several = [[0]] if isinstance(text, str) else [[0] for _ in text]
        ids: Any = torch.tensor(several) if return_tensors else several[0] if isinstance(text, str) else several
        return _Encoding(input_ids=ids, attention_mask=ids, token_type_ids=ids)

    batch_encode_plus = encode_plus = __call__

    def encode(self, *_args: Any, **_kwargs: Any) -> list[int]:
        return [0]

    def convert_tokens_to_ids(self, tokens: str | Iterable[str]) -> int | list[int]:
        return 0 if isinstance(tokens, str) else [0 for _ in tokens]

    def add_tokens(self, tokens: str | Iterable[str], *_args: Any, **_kwargs: Any) -> int:
        before = len(self._added)
        self._added |= ({tokens} if isinstance(tokens, str) else {*map(str, tokens)}) - self._special
        return len(self._added) - before

    def add_special_tokens(self, tokens: Mapping[str, Any], *_args: Any, **_kwargs: Any) -> int:
        # Each token is stored as an attribute with the name of its role (bos_token).
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
            f"{name}: the tokenizer of {self.name_or_path!r} is not in the local cache, and lrdecay downloads nothing"
        )


class _Encoding(dict[str, Any]):
    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None
