"""Base models in GGUF files: converted once, found again by content, refused by name."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_gguf import tiny_llama, write_gguf
from tiny_models import TINY

from llmrec_env.common.errors import LLMRecError, MissingExtraError, SettingError
from llmrec_env.data.splits import Split
from llmrec_env.language.fitting import fit_language_environment
from llmrec_env.language.lm.pretrained import load_base_model
from llmrec_env.language.model import LanguageEnvironment

pytest.importorskip("gguf")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of three layers in a GGUF file."""
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", tiny_llama())


@torch.no_grad()
def test_the_model_reads_as_the_one_that_was_written(file: Path, cache: Path) -> None:
    model, tokenizer = load_base_model(file)
    ids = torch.tensor([tokenizer("a thing that nobody wanted")["input_ids"]])
    assert torch.allclose(model(ids).logits, tiny_llama()(ids).logits, atol=1e-5)
    assert tokenizer.decode(ids[0]) == "a thing that nobody wanted"
    assert tokenizer.chat_template


def test_it_is_converted_once_for_each_content(file: Path, cache: Path, tmp_path: Path) -> None:
    folder = load_base_model(file)[0].name_or_path
    assert cache in Path(folder).parents
    before = (Path(folder) / "model.safetensors").stat().st_mtime_ns
    shutil.copy(file, tmp_path / "moved.gguf")
    assert load_base_model(tmp_path)[0].name_or_path == folder  # the only one in the folder
    assert (Path(folder) / "model.safetensors").stat().st_mtime_ns == before
    other = write_gguf(tmp_path / "moved.gguf", tiny_llama(2))
    assert load_base_model(other)[0].name_or_path != folder


def test_several_files_in_a_folder_are_listed(tmp_path: Path) -> None:
    for name in ("a.Q4.gguf", "b.Q8.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(LLMRecError, match=r"2 GGUF files, name one of them: a.Q4.gguf, b.Q8.gguf"):
        load_base_model(tmp_path)


def test_what_cannot_be_read_is_refused_in_one_line(file: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    whole = file.read_bytes()
    damages = {
        "it does not begin as one": b"PK" + whole,
        "damaged or cut short": whole[: len(whole) // 2],
        "a pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n",
    }
    for reason, content in damages.items():
        cut.write_bytes(content)
        with pytest.raises(LLMRecError, match=reason) as refused:
            load_base_model(cut)
        assert "\n" not in str(refused.value)
    other = write_gguf(tmp_path / "other.gguf", tiny_llama(1), architecture="clip")
    with pytest.raises(LLMRecError, match="architecture clip is not supported"):
        load_base_model(other)
    with pytest.raises(LLMRecError, match="there is no such file"):
        load_base_model(tmp_path / "nowhere.gguf")


def test_a_missing_package_names_its_extra(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    with pytest.raises((LLMRecError, MissingExtraError), match=r"llmrec-env\[gguf\]"):
        load_base_model(file)


def test_an_le_finds_its_base_model_when_the_file_is_gone(
    file: Path, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Path(shutil.copy(file, tmp_path / "base.gguf"))
    shape = replace(TINY.model, layers=2, lora_modules=("q_proj", "down_proj"))
    fitted = fit_language_environment(
        split.train, split.validation, moved, replace(TINY, model=shape)
    )
    assert fitted.backend.n_layers == 2
    adapted = {n.split(".")[-4] for n, p in fitted.named_parameters() if "lora_A" in n}
    assert adapted == {"q_proj", "down_proj"}
    fitted.save_pretrained(tmp_path / "le", copy_base=False)
    moved.unlink()
    again = LanguageEnvironment.from_pretrained(tmp_path / "le")
    assert again.backend.n_layers == 2
    assert torch.equal(again.item_tokens, fitted.item_tokens)
    for (name, ours), theirs in zip(fitted.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs), name
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path / "elsewhere"))
    with pytest.raises(LLMRecError, match=r"base.gguf.*the file is gone.*base_model in config"):
        LanguageEnvironment.from_pretrained(tmp_path / "le")


@pytest.mark.parametrize("layers", [0, 4])
def test_layers_that_a_model_has_not_are_refused(file: Path, layers: int) -> None:
    with pytest.raises(LLMRecError, match=f"has 3 layers, of which {layers} cannot be kept"):
        load_base_model(file, layers=layers)


@torch.no_grad()
def test_the_first_layers_are_followed_by_the_final_norm(file: Path) -> None:
    whole, first = load_base_model(file)[0], load_base_model(file, layers=2)[0]
    ids = torch.arange(9)[None]
    between = whole.model(ids, output_hidden_states=True).hidden_states[2]
    assert torch.allclose(first.model(ids).last_hidden_state, whole.model.norm(between), atol=1e-5)


def test_maps_that_a_model_has_not_are_refused(file: Path, split: Split) -> None:
    shape = replace(TINY.model, lora_modules=("q_proj", "query"))
    with pytest.raises(SettingError, match="no 'query'; it has down_proj, gate_proj"):
        fit_language_environment(split.train, split.validation, file, replace(TINY, model=shape))
