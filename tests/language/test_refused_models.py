"""Models that cannot serve are turned away at the door, and told why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import ARCHITECTURES, WIDTH, causal_lm, tiny_le
from transformers import (
    BartConfig,
    BloomConfig,
    MambaConfig,
    MptConfig,
    PretrainedConfig,
    RwkvConfig,
    T5Config,
)

from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.data.windows import Window
from llmrec_env.language.lm.pretrained import load_base_model
from llmrec_env.language.lm.transformers_backend import TransformersBackend
from llmrec_env.language.model import LanguageEnvironment

pytestmark = pytest.mark.core

UNREADABLE: dict[str, tuple[PretrainedConfig, str]] = {
    "mamba": (
        MambaConfig(vocab_size=40, hidden_size=WIDTH, num_hidden_layers=1, state_size=4),
        "'mamba' has layers of type .'linear_attention'.",
    ),
    "rwkv": (
        RwkvConfig(
            vocab_size=40, hidden_size=WIDTH, num_hidden_layers=2, attention_hidden_size=WIDTH
        ),
        "'rwkv' does not follow the masks",
    ),
    "a model that takes distances from the order": (
        MptConfig(vocab_size=40, d_model=WIDTH, n_layers=1, n_heads=2),
        "'mpt' does not follow the masks",
    ),
    "a model that takes no mask a token": (
        BloomConfig(vocab_size=40, hidden_size=WIDTH, n_layer=1, n_head=2),
        "'bloom' takes no mask",
    ),
}
ENCODER_DECODERS = {
    "t5": T5Config(vocab_size=40, d_model=WIDTH, num_layers=1),
    "bart": BartConfig(vocab_size=40, d_model=WIDTH, encoder_layers=1, decoder_layers=1),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_would_read_wrongly_is_refused(name: str) -> None:
    config, reason = UNREADABLE[name]
    with pytest.raises(LLMRecError, match=f"{reason}.*decoder-only model"):
        tiny_le(config)


@pytest.mark.parametrize("name", ["mamba", "rwkv"])
def test_it_is_refused_when_loaded_from_a_folder_too(name: str, tmp_path: Path) -> None:
    config, reason = UNREADABLE[name]
    causal_lm(config).save_pretrained(tmp_path)
    _tokenizer_for(tmp_path)
    with pytest.raises(LLMRecError, match=reason):
        TransformersBackend(*load_base_model(tmp_path))


@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_encoder_decoders_are_refused_before_any_weight_is_read(name: str, tmp_path: Path) -> None:
    ENCODER_DECODERS[name].save_pretrained(tmp_path)
    with pytest.raises(LLMRecError, match=f"'{name}' has an encoder and a decoder"):
        load_base_model(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(LLMRecError, match="nowhere': there is no such folder"):
        load_base_model(tmp_path / "nowhere")


def test_weights_that_need_unpickling_are_not_read(tmp_path: Path) -> None:
    ARCHITECTURES["llama"].save_pretrained(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"not read")
    with pytest.raises(LLMRecError, match="no causal language model can be loaded"):
        load_base_model(tmp_path)


def test_a_window_longer_than_the_positions_is_refused() -> None:
    tiny_le(ARCHITECTURES["gpt2"], Window(31, 5))
    with pytest.raises(DataError, match=r"a window of 32 items needs 33 positions .* has 32"):
        tiny_le(ARCHITECTURES["gpt2"], Window(32, 5))


def test_a_folder_that_is_no_saved_le_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LLMRecError, match="holds no saved language environment"):
        LanguageEnvironment.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"format": 99}))
    (tmp_path / "heads.safetensors").write_bytes(b"")
    with pytest.raises(LLMRecError, match="format 99, this version reads 1"):
        LanguageEnvironment.from_pretrained(tmp_path)


def _tokenizer_for(folder: Path) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder)
