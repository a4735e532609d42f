"""A small world, and an LE learned from it, for all tests of this room."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models import SMALL, TINY

from llmrec_env.data.splits import Split, split_by_user
from llmrec_env.data.world.generated import generate_world
from llmrec_env.language.fitting import fit_language_environment, untrained_language_environment
from llmrec_env.language.lm.small_model import small_base_model
from llmrec_env.language.model import LanguageEnvironment

Fit = Callable[..., LanguageEnvironment]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of these tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("LLMREC_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def split() -> Split:
    """Sixty items; 64 users to learn from, eight to validate and eight to test on."""
    return split_by_user(generate_world(seed=0, n_items=60, n_users=80).log, seed=0)


@pytest.fixture(scope="session")
def base_folder(split: Split) -> Path:
    """A base model of one layer, learned from the sixty texts."""
    return small_base_model(split.train.catalogue, SMALL)


@pytest.fixture(scope="session")
def fit(split: Split) -> Fit:
    """Fit an LE with tiny settings, given others of ``LearningConfig`` or of the call."""

    def fitted(checkpoint: Path | None = None, **learning: object) -> LanguageEnvironment:
        config = replace(TINY, learning=replace(TINY.learning, **learning))
        return fit_language_environment(
            split.train, split.validation, config=config, users=split.test, checkpoint=checkpoint
        )

    return fitted


@pytest.fixture(scope="session")
def learned(fit: Fit) -> LanguageEnvironment:
    """An LE learned for a few steps; not to be changed."""
    return fit()


@pytest.fixture(scope="session")
def _untrained(split: Split) -> LanguageEnvironment:
    return untrained_language_environment(split.train, config=TINY, users=split.test)


@pytest.fixture
def untrained(_untrained: LanguageEnvironment) -> LanguageEnvironment:
    """An LE that has seen no user yet, of each test's own."""
    return copy.deepcopy(_untrained)
