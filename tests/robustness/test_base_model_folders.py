"""Folders of base models that do not hold together end in one error that says what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, MptConfig, OPTConfig

from llmrec_env.common.errors import LLMRecError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.language.lm.pretrained import load_base_model
from llmrec_env.language.lm.small_model import SmallModelConfig, small_base_model
from llmrec_env.language.lm.transformers_backend import TransformersBackend

pytestmark = pytest.mark.core
Damage = Callable[[Path], object]
SMALL = SmallModelConfig(16, 2, 2, 1, 24, 300, 24, min_steps=2, max_steps=2, batch_size=8)


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole base model of two layers."""
    titles = [f"{colour} thing{i}" for i in range(12) for colour in ("red", "blue")]
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(len(titles))], "title": titles})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMREC_CACHE", str(tmp_path_factory.mktemp("cache")))
        return small_base_model(Catalogue(items), replace(SMALL, seed=3))


def weights(change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "model.safetensors"
        changed = change(load_file(path))
        save_file({n: v.clone() for n, v in changed.items()}, path, metadata={"format": "pt"})

    return damage


def with_number(name: str, number: float) -> Damage:
    def change(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        tensors[name].view(-1)[7] = number
        return tensors

    return weights(change)


def config(**changes: Any) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return damage


def more_words(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"word{i}" for i in range(9)])
    tokenizer.save_pretrained(folder)


def write(name: str, text: str) -> Damage:
    return lambda folder: (folder / name).write_text(text)


UP = "model.layers.0.mlp.up_proj.weight"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n"
DAMAGES: dict[str, tuple[Damage, str]] = {
    "names of another wrapper": (
        weights(lambda t: {f"module.{n}": v for n, v in t.items()}),
        "weights are missing .* which the file has as 'module.model",
    ),
    "a missing layer": (
        weights(lambda t: {n: v for n, v in t.items() if ".1." not in n}),
        r"11 of its weights are missing from the file, such as 'model\.layers\.1\.",
    ),
    "a layer that nobody reads": (
        config(num_hidden_layers=1, layer_types=None),
        "11 weights more than config.json describes",
    ),
    "a shape": (
        config(vocab_size=100),
        r"'model.embed_tokens.weight' has the shape .* \[100, 16\]",
    ),
    "a NaN word": (
        with_number("model.embed_tokens.weight", float("nan")),
        "NaN or infinity in its weight 'model.embed_tokens.weight'",
    ),
    "a NaN layer": (with_number(UP, float("nan")), f"NaN or infinity in its weight '{UP}'"),
    "an infinite layer": (with_number(UP, float("-inf")), f"NaN or infinity in its weight '{UP}'"),
    "zeros": (
        weights(lambda t: {n: torch.zeros_like(v) for n, v in t.items()}),
        "says the same whatever came before",
    ),
    "a pointer": (
        write("model.safetensors", POINTER),
        r"model\.safetensors is a pointer of Git LFS",
    ),
    "a pointer for words": (write("tokenizer.json", POINTER), "tokenizer.json is a pointer"),
    "cut off": (
        lambda folder: (folder / "model.safetensors").open("r+b").truncate(3000),
        "model.safetensors is no whole safetensors file",
    ),
    "words beyond the embeddings": (more_words, "its tokenizer gives 'word0' the id"),
    "no words": (
        lambda folder: [(folder / f"tokenizer{part}.json").unlink() for part in ("", "_config")],
        "its tokenizer knows no words",
    ),
    "a quantised checkpoint": (
        config(quantization_config={"quant_method": "gptq", "bits": 4}),
        "requires",
    ),
    "an adapter beside it": (write("adapter_config.json", "{}"), "holds an adapter"),
    "pickles": (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
        "its weights are pickled",
    ),
    "no configuration": (write("config.json", "{"), "not a valid JSON"),
    "an unknown architecture": (config(model_type="nope"), "nope"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_folder_that_does_not_hold_together_is_refused(
    name: str, base_folder: Path, tmp_path: Path
) -> None:
    damage, reason = DAMAGES[name]
    folder = shutil.copytree(base_folder, tmp_path / "base")
    damage(folder)
    with pytest.raises(LLMRecError, match=reason) as refused:
        TransformersBackend(*load_base_model(folder))
    assert "\n" not in str(refused.value)


def test_a_whole_folder_passes(base_folder: Path) -> None:
    TransformersBackend(*load_base_model(base_folder))


MPT = MptConfig(vocab_size=40, d_model=64, n_layers=3, n_heads=4)
BERT = BertConfig(
    vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
)
OPT = OPTConfig(
    vocab_size=40,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    ffn_dim=16,
    word_embed_proj_dim=16,
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_reads_otherwise_is_caught_before_it_has_learned_anything(dtype: torch.dtype) -> None:
    for settings, reason in ((MPT, "does not follow the masks"), (BERT, "in both directions")):
        model: Any = AutoModelForCausalLM.from_config(settings).to(dtype).eval()
        tokenizer: Any = None
        with pytest.raises(LLMRecError, match=reason):
            TransformersBackend(model, tokenizer)
    as_decoder: Any = AutoModelForCausalLM.from_config(OPT).to(dtype).eval()
    assert TransformersBackend(as_decoder, tokenizer).hidden_size == 16


@pytest.mark.parametrize("name", ["somebody/no-such-model", "no-such-model"])
def test_a_hub_that_does_not_answer_costs_seconds_and_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # where nobody listens
    with pytest.raises(LLMRecError, match="Hugging Face hub does not answer") as no:
        load_base_model(name)
    assert str(no.value).startswith(f"no causal language model can be loaded from {name!r}: ")
    assert "\n" not in str(no.value)
