"""On the generated world, whose truth is known, offline learners must beat chance."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("d3rlpy")

from d3rlpy.algos import DiscreteBCConfig, DiscreteCQLConfig

from llmrec_env.data.splits import Split, split_by_user
from llmrec_env.data.world.generated import World, generate_world
from llmrec_env.evaluation.agents import compare_agents
from llmrec_env.evaluation.policies import RandomPolicy
from llmrec_env.evaluation.returns import evaluate_policy
from llmrec_env.offline.d3rlpy import (
    ALGORITHMS,
    D3rlpyPolicy,
    HistoryEncoderFactory,
    to_mdp_dataset,
    train,
)
from llmrec_env.offline.transitions import transitions
from llmrec_env.users.true_taste import TrueTasteUser

CONFIGS = [
    DiscreteBCConfig(batch_size=64),
    DiscreteCQLConfig(batch_size=64, learning_rate=1e-3, gamma=0.5),
]


@pytest.fixture(scope="module")
def world() -> World:
    return generate_world(n_items=100, n_users=300)


@pytest.fixture(scope="module")
def split(world: World) -> Split:
    return split_by_user(world.log, fractions=(0.6, 0.1, 0.3))


@pytest.mark.parametrize("augment", [0, 1])
@pytest.mark.parametrize("config", CONFIGS, ids=["bc", "cql"])
def test_learners_beat_random_on_held_out_users(
    world: World, split: Split, config: Any, augment: int
) -> None:
    user = TrueTasteUser(world, split.test)
    algo = config.create()
    train(algo, to_mdp_dataset(split.train, user, augment=augment), n_steps=120)
    learned = evaluate_policy(D3rlpyPolicy(algo), user, max_episode_steps=20)
    random = evaluate_policy(RandomPolicy(seed=0), user, max_episode_steps=20)
    assert learned.difference(random).low > 0


def test_a_learner_of_plain_histories_beats_random(world: World, split: Split) -> None:
    user = TrueTasteUser(world, split.test)
    encoder = HistoryEncoderFactory(n_items=100, embedding_size=32, hidden_size=64)
    algo = DiscreteBCConfig(batch_size=64, encoder_factory=encoder).create()
    train(algo, to_mdp_dataset(split.train, history_length=10), n_steps=200)
    policy = D3rlpyPolicy(algo, observation="history")
    learned = evaluate_policy(policy, user, max_episode_steps=20)
    random = evaluate_policy(RandomPolicy(seed=0), user, max_episode_steps=20)
    assert learned.difference(random).low > 0


@pytest.mark.parametrize("name", ["cql", "td3_bc"])
def test_greedy_and_without_masks_they_are_three_standard_errors_above_random(
    world: World, split: Split, name: str
) -> None:
    learner, user = ALGORITHMS[name], TrueTasteUser(world, split.test)
    points = learner.actions == "embedding"
    table = transitions(split.train, user)
    algo = learner.create(table.kind, table.n_items)
    train(algo, to_mdp_dataset(table, user if points else None, actions=learner.actions), 120)
    found = compare_agents(
        {"greedy": lambda turn: algo.predict(turn.observations)},
        "LLMRec/ItemEmbedding-v0" if points else "LLMRec/NextItem-v1",
        simulator=user,
        observation="bare_state",
        max_episode_steps=20,
    )
    assert found.errors_above_random("greedy") > 3.0
