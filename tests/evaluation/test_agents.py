"""Agents of any library are judged as functions of a batch of users."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmrec_env.common.errors import SettingError
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.agents import compare_agents, evaluate_agent, random_agent
from llmrec_env.evaluation.episodes import Turn
from llmrec_env.evaluation.policies import PopularPolicy, greedy_actions
from llmrec_env.evaluation.returns import evaluate_policy
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core
ID = "LLMRec/TrueTaste-v1"


@pytest.fixture(scope="module")
def simulator() -> TrueTasteUser:
    """The true users of a small world."""
    return TrueTasteUser(generate_world(seed=2, n_items=60, n_users=40), accept_rate=0.3)


def popular(simulator: TrueTasteUser) -> Any:
    """The popular items that a user has not seen, as an agent."""
    policy = PopularPolicy(simulator.users)
    return lambda turn: greedy_actions(policy, turn.observations, turn.masks())


def knowing(simulator: TrueTasteUser) -> Any:
    """The unseen item that a user truly likes best."""

    def agent(turn: Turn) -> Any:
        liking = simulator.preferences(turn.observations[:, : simulator.state_size])
        return np.where(turn.masks(), liking, -np.inf).argmax(axis=1)

    return agent


def test_an_agent_earns_what_the_same_policy_earns(simulator: TrueTasteUser) -> None:
    ours = evaluate_agent(popular(simulator), ID, 12, seed=3, batch_users=5, simulator=simulator)
    policy = PopularPolicy(simulator.users)
    theirs = evaluate_policy(policy, simulator, episodes=12, seed=3, batch_users=5)
    np.testing.assert_array_equal(ours.returns, theirs.returns)
    np.testing.assert_array_equal(ours.lengths, theirs.lengths)
    assert ours.user_ids == theirs.user_ids
    assert ours.difference(theirs) == (0.0, 0.0, 0.0)


def test_a_turn_says_where_episodes_start(simulator: TrueTasteUser) -> None:
    starts: list[np.ndarray] = []

    def agent(turn: Turn) -> Any:
        starts.append(turn.starts)
        assert turn.masks().shape == (4, 60)
        return random_agent(turn)

    result = evaluate_agent(agent, ID, episodes=4, simulator=simulator, patience=2)
    assert starts[0].all()
    for row, length in enumerate(result.lengths):
        opened = np.flatnonzero([start[row] for start in starts])
        assert opened[0] == 0
        if len(opened) > 1:
            assert opened[1] == length


def test_agents_are_compared_with_random_actions(simulator: TrueTasteUser) -> None:
    agents = {"knowing": knowing(simulator), "chance": random_agent}
    settings: dict[str, Any] = {"simulator": simulator, "patience": 3}
    result = compare_agents(agents, ID, episodes=30, **settings)
    assert result.errors_above_random("knowing") > 3
    assert result.errors_above_random("chance") == 0
    gain = result.returns["knowing"].returns - result.random.returns
    expected = gain.mean() / (gain.std(ddof=1) / 30**0.5)
    assert result.errors_above_random("knowing") == pytest.approx(expected)
    assert [line.split()[0] for line in str(result).splitlines()] == ["random", *agents]
    assert str(result) == str(compare_agents(agents, ID, episodes=30, **settings))


@pytest.mark.parametrize(
    ("agent", "id", "episodes", "message"),
    [
        (random_agent, "LLMRec/Shop-v0", 2, "no simulated users stand behind LLMRec/Shop-v0"),
        (random_agent, ID, 10**6, r"episodes must lie in \[1, "),
        (PopularPolicy, ID, 2, "an agent is a function of a Turn"),
        ("random", ID, 2, "an agent is a function of a Turn"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(
    agent: Any, id: str, episodes: int, message: str, simulator: TrueTasteUser
) -> None:
    if id != ID:
        pytest.importorskip("bm25s")  # the shop's
    if agent is PopularPolicy:
        agent = PopularPolicy(simulator.users)
    with pytest.raises(SettingError, match=message):
        evaluate_agent(agent, id, episodes)
