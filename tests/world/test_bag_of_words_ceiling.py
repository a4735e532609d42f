"""The benchmark that says how much of the world's truth its words tell."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from llmrec_env.data.world.generated import generate_world

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """The script as a module."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "bag_of_words_ceiling.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_words_tell_part_of_the_factors_and_nothing_of_the_quality(benchmark: ModuleType) -> None:
    read = benchmark.readings(generate_world(seed=0, n_items=400, n_users=2))
    assert 0.1 < read["factors from words"] < read["factors from attributes"] < 0.8
    assert read["quality from words"] < 0.05


def test_two_towers_learn_a_log_better_than_chance(benchmark: ModuleType) -> None:
    world = generate_world(seed=0, n_items=40, n_users=60)
    words = benchmark.bag_of_words(world.catalogue.sentences)
    model = benchmark.learn(words, world.log, world.log, seed=0, epochs=8)
    sequences = [benchmark.torch.as_tensor(items) for items in world.log.sequences()]
    assert model.loss(sequences).item() < np.log(40) - 0.05
    ranked = model.rank([world.log.sequence(0)[:3], world.log.sequence(1)[:2]])
    assert ranked.shape == (2, 40)
