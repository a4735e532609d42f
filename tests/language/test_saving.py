"""One folder holds an LE, and says the same when it is read again."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from tiny_models import ARCHITECTURES, TINY, random_log, tiny_le

from llmrec_env.common.errors import LLMRecError, SettingError
from llmrec_env.data.splits import Split
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.decoding import Decoder
from llmrec_env.language.fitting import fit_language_environment, untrained_language_environment
from llmrec_env.language.labelling import branch_log, label_log
from llmrec_env.language.learning import learn
from llmrec_env.language.lm.qwen3 import Qwen3Backend
from llmrec_env.language.lm.transformers_backend import TransformersBackend
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.language.saving import saved_fingerprint
from llmrec_env.users.language import LanguageUser

pytestmark = pytest.mark.core


def forget_manifest(folder: Path) -> None:
    """Make a folder as versions before the manifest wrote it."""
    described = json.loads((folder / "config.json").read_text())
    del described["manifest"]
    text = json.dumps(described, indent=2, sort_keys=True) + "\n"
    (folder / "config.json").write_text(text)


def backend(model: LanguageEnvironment) -> TransformersBackend:
    """The backend of an LE that can learn."""
    assert isinstance(model.backend, TransformersBackend)
    return model.backend


def test_what_is_loaded_says_what_was_saved(
    learned: LanguageEnvironment, split: Split, tmp_path: Path
) -> None:
    learned.save_pretrained(tmp_path / "le")
    loaded = LanguageEnvironment.from_pretrained(tmp_path / "le")
    for before, after in zip(
        label_log(AnsweringLE(learned), split.test),
        label_log(AnsweringLE(loaded), split.test),
        strict=True,
    ):
        assert_array_equal(before, after)
    assert loaded.record == learned.record
    assert loaded.config == learned.config
    assert not loaded.training
    assert loaded.catalogue.table.equals(learned.catalogue.table)
    assert loaded.users is not None
    assert loaded.users.to_table().equals(split.test.to_table())
    text = learned.catalogue.sentences[0]
    tokens = [backend(model).tokenizer(text)["input_ids"] for model in (loaded, learned)]
    assert tokens[0] == tokens[1]


def test_the_folder_is_laid_out_as_hugging_face_does(
    learned: LanguageEnvironment, tmp_path: Path
) -> None:
    learned.save_pretrained(tmp_path / "le")
    files = {str(path.relative_to(tmp_path / "le")) for path in (tmp_path / "le").rglob("*.*")}
    assert files == {
        "config.json",
        "heads.safetensors",
        "text_space.safetensors",
        "catalogue.parquet",
        "users.parquet",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "base_model/config.json",
        "base_model/model.safetensors",
        "base_model/tokenizer.json",
        "base_model/tokenizer_config.json",
    }
    description = json.loads((tmp_path / "le" / "config.json").read_text())
    assert description["config"]["window"] == {"size": 12, "block": 6}
    assert set(description["versions"]) == {"torch", "transformers", "peft"}


def test_bfloat16_is_close_and_half_as_large(
    learned: LanguageEnvironment, split: Split, tmp_path: Path
) -> None:
    learned.save_pretrained(tmp_path / "whole")
    learned.save_pretrained(tmp_path / "half", dtype=torch.bfloat16)
    loaded = LanguageEnvironment.from_pretrained(tmp_path / "half")
    states, rewards = label_log(AnsweringLE(learned), split.test)
    half_states, half_rewards = label_log(AnsweringLE(loaded), split.test)
    assert_allclose(half_states, states, atol=0.05)
    assert_allclose(half_rewards, rewards, atol=0.05)
    for name in ("heads.safetensors", "base_model/model.safetensors"):
        sizes = [(tmp_path / kind / name).stat().st_size for kind in ("half", "whole")]
        assert sizes[0] < 0.65 * sizes[1]


def test_what_is_loaded_knows_where_it_stands_until_it_learns(
    learned: LanguageEnvironment, split: Split, tmp_path: Path
) -> None:
    learned.save_pretrained(tmp_path / "le")
    assert learned.saved_at is None
    shutil.copytree(tmp_path / "le", tmp_path / "old")
    forget_manifest(tmp_path / "old")
    names = []
    for folder in ("le", "old"):
        user = LanguageUser.from_pretrained(tmp_path / folder)
        assert user.model.saved_at == tmp_path / folder
        names.append(user.model.fingerprint)
        assert LanguageUser.from_pretrained(tmp_path / folder).model.fingerprint == names[-1]
    assert len(set(names)) == 2
    loaded = LanguageEnvironment.from_pretrained(tmp_path / "le")
    learn(loaded, split.train, split.validation, TINY.learning)
    assert loaded.saved_at is loaded.fingerprint is None
    loaded.save_pretrained(tmp_path / "le")
    assert LanguageEnvironment.from_pretrained(tmp_path / "le").fingerprint not in names


def test_a_saved_le_is_for_whom_the_umask_lets_read(
    learned: LanguageEnvironment, tmp_path: Path
) -> None:
    before = os.umask(0o027)
    try:
        learned.save_pretrained(tmp_path / "le")
    finally:
        os.umask(before)
    files = [path for path in (tmp_path / "le").rglob("*") if path.is_file()]
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o640"}


FIT = """
import sys
from tiny_models import TINY
from llmrec_env.data.splits import split_by_user
from llmrec_env.data.world.generated import generate_world
from llmrec_env.language.fitting import fit_language_environment

split = split_by_user(generate_world(seed=0, n_items=60, n_users=80).log, seed=0)
model = fit_language_environment(split.train, split.validation, config=TINY)
model.save_pretrained(sys.argv[1])
"""


@pytest.mark.slow
def test_a_fit_writes_the_same_bytes_in_every_process(split: Split, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    fit_language_environment(split.train, split.validation, config=TINY).save_pretrained(here)
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    own = {
        "PYTHONHASHSEED": "1",
        "LLMREC_CACHE": str(tmp_path / "cache"),  # the base model is made anew
        "PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-c", FIT, str(there)]
    subprocess.run(command, check=True, env=os.environ | own, capture_output=True)
    names = {p.relative_to(here) for p in here.rglob("*") if p.is_file()}
    assert "config.json" in map(str, names)
    for name in names:
        assert (here / name).read_bytes() == (there / name).read_bytes(), name


def test_saving_again_replaces_the_folder(
    learned: LanguageEnvironment, split: Split, tmp_path: Path
) -> None:
    folder = tmp_path / "le"
    learned.save_pretrained(folder)
    changed = copy.deepcopy(learned)
    with torch.no_grad():
        changed.heads.score.bias += 1.0
    changed.save_pretrained(folder)
    loaded = LanguageEnvironment.from_pretrained(folder)
    assert_array_equal(
        label_log(AnsweringLE(loaded), split.test)[1],
        label_log(AnsweringLE(changed), split.test)[1],
    )
    assert [path.name for path in tmp_path.iterdir()] == ["le"]
    loaded.save_pretrained(folder)  # over the folder that it was read from
    again = LanguageEnvironment.from_pretrained(folder)
    assert_array_equal(
        label_log(AnsweringLE(again), split.test)[1], label_log(AnsweringLE(changed), split.test)[1]
    )
    (folder / "notes.txt").write_text("somebody's")
    with pytest.raises(SettingError, match=r"le holds notes\.txt, which would be lost"):
        learned.save_pretrained(folder)
    assert (folder / "notes.txt").exists()


def test_a_folder_of_before_loads_and_is_replaced(
    learned: LanguageEnvironment, split: Split, tmp_path: Path
) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    learned.save_pretrained(new)
    forget_manifest(new)
    shutil.copytree(new, old)
    (old / "catalogue.parquet").rename(old / "catalog.parquet")
    assert saved_fingerprint(old) == saved_fingerprint(new)  # labels of before go on
    loaded = LanguageEnvironment.from_pretrained(old)
    assert loaded.catalogue.table.equals(learned.catalogue.table)
    for before, after in zip(
        label_log(AnsweringLE(learned), split.test),
        label_log(AnsweringLE(loaded), split.test),
        strict=True,
    ):
        assert_array_equal(before, after)
    loaded.save_pretrained(old)
    assert (old / "catalogue.parquet").exists()
    assert not (old / "catalog.parquet").exists()


def test_a_large_base_stays_where_it_is(
    split: Split, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(base_folder.parent)
    model = untrained_language_environment(split.train, base_folder.name, TINY)
    model.save_pretrained(tmp_path / "le", copy_base=False)
    assert not list((tmp_path / "le" / "base_model").glob("*.safetensors"))
    monkeypatch.chdir(tmp_path)
    loaded = LanguageEnvironment.from_pretrained("le")
    assert_array_equal(
        label_log(AnsweringLE(loaded), split.test)[0], label_log(AnsweringLE(model), split.test)[0]
    )


def test_a_base_of_no_name_cannot_stay_behind(learned: LanguageEnvironment, tmp_path: Path) -> None:
    with pytest.raises(LLMRecError, match="save it with copy_base=True"):
        learned.save_pretrained(tmp_path / "le", copy_base=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_every_architecture_survives_saving(
    name: str, learned: LanguageEnvironment, tmp_path: Path
) -> None:
    model = tiny_le(ARCHITECTURES[name])
    backend(model).tokenizer = backend(learned).tokenizer
    log = random_log([7, 3])
    model.save_pretrained(tmp_path / "le")
    loaded = LanguageEnvironment.from_pretrained(tmp_path / "le")
    assert loaded.users is None
    for before, after in zip(
        label_log(AnsweringLE(model), log), label_log(AnsweringLE(loaded), log), strict=True
    ):
        assert_array_equal(before, after)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_a_folded_le_says_the_same(name: str, learned: LanguageEnvironment, tmp_path: Path) -> None:
    model = tiny_le(ARCHITECTURES[name])
    backend(model).tokenizer = backend(learned).tokenizer
    log = random_log([7, 3, 30])
    actions = np.arange(2 * len(log)).reshape(-1, 2) % len(model.catalogue)
    model.save_pretrained(tmp_path / "le")
    folded = LanguageEnvironment.from_pretrained(tmp_path / "le", fold=True)
    assert not [name for name, _ in folded.named_modules() if "lora" in name]
    assert isinstance(folded.backend, Qwen3Backend) == (name == "qwen3")
    said = (*label_log(AnsweringLE(model), log), *branch_log(AnsweringLE(model), log, actions))
    for before, after in zip(
        said,
        (*label_log(AnsweringLE(folded), log), *branch_log(AnsweringLE(folded), log, actions)),
        strict=True,
    ):
        assert_allclose(after, before, atol=2e-5)
    for crowd in (1, 5):  # a few rows and many are read by different routes
        sessions = [Decoder(AnsweringLE(le), log.sequences() * crowd) for le in (model, folded)]
        for shown, taken in (([1, 2, 3], [True, False, True]), ([4, 5, 6], [False, True, True])):
            likings = [session.show(torch.tensor(shown * crowd))[0] for session in sessions]
            assert_allclose(likings[1], likings[0], atol=2e-5)
            states = [session.take(np.array(taken * crowd)) for session in sessions]
            assert_allclose(states[1], states[0], atol=2e-5)


def test_a_folded_le_answers_but_neither_learns_nor_is_saved(
    learned: LanguageEnvironment, split: Split, tmp_path: Path
) -> None:
    learned.save_pretrained(tmp_path / "le")
    folded = LanguageEnvironment.from_pretrained(tmp_path / "le", fold=True)
    with pytest.raises(LLMRecError, match="loaded to answer only"):
        folded.save_pretrained(tmp_path / "again")
    with pytest.raises(LLMRecError, match="answer only"):
        learn(folded, split.train, split.validation)


def test_users_are_loaded_with_their_accept_rate(
    learned: LanguageEnvironment, tmp_path: Path
) -> None:
    learned.save_pretrained(tmp_path / "le")
    user = LanguageUser.from_pretrained(tmp_path / "le", accept_rate=0.4)
    assert user.accept_rate == 0.4
    assert user.n_items == 60
    assert user.users is not None
