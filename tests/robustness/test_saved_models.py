"""A damaged or exchanged saved folder ends in one error that names the file, or answers as before.

Every file of a folder is damaged in every way that :mod:`damages` knows. With a manifest nothing
may answer as another; in a folder of before the manifest what can be seen without one is refused,
and no other library's error comes through.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from damages import damages

from agents import Recommender
from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import LLMRecError
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.world.generated import generate_world
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.language import EMBEDDED, LanguageUser

pytestmark = pytest.mark.core
Answers = Callable[[Path], FloatArray]
FILES = sorted(p.relative_to(EMBEDDED).as_posix() for p in EMBEDDED.rglob("*") if p.is_file())
ITEMS = np.arange(40)


@pytest.fixture(scope="module")
def log() -> InteractionLog:
    """Few users of the embedded LE's world."""
    return generate_world(seed=0, n_users=12).log


@pytest.fixture(scope="module")
def recommender(log: InteractionLog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved recommender."""
    folder = tmp_path_factory.mktemp("saved") / "recommender"
    Recommender(dim=8, epochs=1, layers=1).fit(log).save(folder)
    return folder


def said_by_le(folder: Path) -> FloatArray:
    """What the users of a saved LE answer, and who they are."""
    user = LanguageUser.from_pretrained(folder)
    likings = user.score([ITEMS[:3]], ITEMS[None])
    users = [] if user.users is None else [float(user.users.n_users), float(user.users.items[0])]
    return np.append(likings[0], [user.accept_probability(likings)[0, 0], *users])


def said_by_recommender(folder: Path) -> FloatArray:
    """What a saved recommender scores, and what it is to score."""
    model = Recommender.load(folder)
    scores = model.score([ITEMS[:3], ITEMS[:0]]).ravel()
    return np.append(scores, [int(model.catalogue_id, 16) % 997, len(model.history)])


def faults(saved: Path, scratch: Path, answers: Answers, *, only: str, strict: bool) -> list[str]:
    """The damages of one file after which a folder does not do what it should."""
    right, wrong = answers(saved), []
    for name, file, damage in damages(saved):
        if file != only:
            continue
        folder = shutil.copytree(saved, scratch / "damaged")
        damage(folder)
        try:
            found = answers(folder)
            same = found.shape == right.shape and np.array_equal(found, right, equal_nan=True)
            outcome = "" if same or not strict else "answers as another"
        except LLMRecError as error:
            text = str(error)
            named = file if strict else str(folder)
            outcome = "" if "\n" not in text and named in text else f"says {text!r}"
        except BaseException as error:
            outcome = f"raises {error!r}"
        if outcome:
            wrong.append(f"{name}: {outcome}")
        shutil.rmtree(folder)
    return wrong


@pytest.mark.parametrize("file", FILES)
def test_a_damaged_le_is_refused_or_says_the_same(file: str, tmp_path: Path) -> None:
    assert faults(EMBEDDED, tmp_path, said_by_le, only=file, strict=True) == []


@pytest.mark.parametrize("file", FILES)
def test_a_damaged_le_without_a_manifest_raises_no_foreign_error(file: str, tmp_path: Path) -> None:
    old = without_manifest(EMBEDDED, tmp_path / "old")
    np.testing.assert_array_equal(said_by_le(old), said_by_le(EMBEDDED))
    assert faults(old, tmp_path, said_by_le, only=file, strict=False) == []


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_damaged_recommender_is_refused_or_says_the_same(
    file: str, recommender: Path, tmp_path: Path
) -> None:
    for strict in (True, False):
        saved = recommender if strict else without_manifest(recommender, tmp_path / "old")
        assert faults(saved, tmp_path, said_by_recommender, only=file, strict=strict) == []


OF_HEADS = {
    "a tensor missing",
    "a tensor renamed",
    "a NaN",
    "an infinity",
    "integers",
    "one row fewer",
    "transposed",
    "a standard deviation of 0",
    "a negative standard deviation",
}
OF_ADAPTER = {
    "a tensor missing",
    "a tensor renamed",
    "a tensor too many",
    "a NaN",
    "an infinity",
    "integers",
    "transposed",
    "a lower rank",
    "a layer fewer",
}
OF_BASE = {"all tensors missing", "a layer fewer"}


@pytest.mark.parametrize(
    ("file", "kinds"),
    [
        ("heads.safetensors", OF_HEADS),
        ("adapter/adapter_model.safetensors", OF_ADAPTER),
        ("base_model/model.safetensors", OF_BASE),
    ],
)
@pytest.mark.parametrize("fold", [True, False])
def test_what_can_be_seen_without_a_manifest_is_refused(
    file: str, kinds: set[str], fold: bool, tmp_path: Path
) -> None:
    old = without_manifest(EMBEDDED, tmp_path / "old")
    tried = 0
    for name, _, damage in damages(old):
        if name.startswith(f"{file}: ") and name.removeprefix(f"{file}: ") in kinds:
            folder = shutil.copytree(old, tmp_path / "damaged")
            damage(folder)
            with pytest.raises(LLMRecError):
                LanguageEnvironment.from_pretrained(folder, fold=fold)
            shutil.rmtree(folder)
            tried += 1
    assert tried == len(kinds)


def without_manifest(saved: Path, folder: Path) -> Path:
    """A copy as versions before the manifest wrote it."""
    shutil.copytree(saved, folder)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    del config["manifest"]
    path.write_text(json.dumps(config))
    return folder
