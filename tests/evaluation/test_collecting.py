"""A policy's log: its propensities say how it chose, and weighting by them judges others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmrec_env.common.arrays import BoolArray, Float64Array
from llmrec_env.common.errors import SettingError
from llmrec_env.common.result_folder import ResultFolder
from llmrec_env.data.world.generated import World, generate_world
from llmrec_env.evaluation.collecting import PART_EPISODES, collect, prepare
from llmrec_env.evaluation.collecting_folder import collect_to
from llmrec_env.evaluation.policies import PopularPolicy, PreferencePolicy, RandomPolicy
from llmrec_env.evaluation.stochastic import (
    EpsilonGreedy,
    SoftmaxPolicy,
    StochasticPolicy,
    UniformPolicy,
    stochastic,
)
from llmrec_env.offline.collected import CollectedLog
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def world() -> World:
    return generate_world(seed=1, n_items=20, n_users=25)


@pytest.fixture(scope="module")
def users(world: World) -> TrueTasteUser:
    return TrueTasteUser(world, accept_rate=0.3)


class Remembers:
    """A uniform policy that keeps what it was asked about."""

    history_length = 7

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, Any], BoolArray]] = []

    def action_probabilities(self, observation: Any, allowed: BoolArray) -> Float64Array:
        self.asked.append(({k: v.copy() for k, v in observation.items()}, allowed.copy()))
        return UniformPolicy().action_probabilities(observation, allowed)


def probabilities(log: CollectedLog, policy: StochasticPolicy) -> Float64Array:
    """Those of a policy at every step of a log, (n_steps, n_items)."""
    rows = np.arange(len(log))
    return policy.action_probabilities(log.observed(policy, rows), log.allowed(rows))


@pytest.mark.parametrize("make", [lambda p: EpsilonGreedy(p, 0.2), lambda p: SoftmaxPolicy(p, 0.5)])
def test_propensities_are_the_policys_probabilities_of_unseen_items(
    make: Any, users: TrueTasteUser
) -> None:
    policy = make(PreferencePolicy(users))
    log = collect(policy, users, episodes=40, max_episode_steps=8)
    shares = probabilities(log, policy)
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert (shares[~log.allowed(np.arange(len(log)))] == 0).all()
    np.testing.assert_array_equal(shares[np.arange(len(log)), log.items], log.propensities)


def test_items_are_shown_as_often_as_their_propensities_say(
    world: World, users: TrueTasteUser
) -> None:
    policy = SoftmaxPolicy(PreferencePolicy(users))
    one = world.log.select_users([3])
    log = collect(policy, users, one, episodes=3000, max_episode_steps=1)
    shares = probabilities(log, policy)[0]
    often = np.bincount(log.items, minlength=20) / 3000
    assert (np.abs(often - shares) <= 4 * np.sqrt(shares * (1 - shares) / 3000)).all()
    assert (often[shares == 0] == 0).all()


def test_weighting_by_propensities_gives_the_return_of_another_policy(users: TrueTasteUser) -> None:
    other = SoftmaxPolicy(PreferencePolicy(users), 0.7)
    log = collect(UniformPolicy(), users, episodes=2500, max_episode_steps=2, seed=1)
    own = collect(other, users, episodes=2500, max_episode_steps=2, seed=2)
    shown = probabilities(log, other)[np.arange(len(log)), log.items]
    ratios = np.log(shown / log.propensities)
    weights = np.exp(np.bincount(log.row_episodes, ratios, log.n_episodes))
    weighted = weights * log.returns
    errors = [values.std() / len(values) ** 0.5 for values in (weighted, own.returns)]
    assert abs(weighted.mean() - own.returns.mean()) < 3 * np.hypot(*errors)
    assert log.returns.mean() < own.returns.mean() - 5 * np.hypot(*errors)


def test_a_log_tells_what_its_policy_saw(users: TrueTasteUser) -> None:
    policy = Remembers()
    log = collect(policy, users, episodes=64, max_episode_steps=6)
    first = {name: values[0] for name, values in policy.asked[0][0].items()}
    for name, values in log.observed(policy, np.array([0])).items():
        np.testing.assert_array_equal(values[0], first[name])
    seen = np.concatenate([asked["history"] for asked, _ in policy.asked[:6]])
    told = log.observed(policy, np.arange(len(log)))["history"]
    assert {row.tobytes() for row in told} <= {row.tobytes() for row in seen}
    masks = {mask.tobytes() for _, masks in policy.asked for mask in masks}
    assert {mask.tobytes() for mask in log.allowed(np.arange(len(log)))} <= masks


def test_episodes_end_where_users_leave_or_the_time_is_up(users: TrueTasteUser) -> None:
    log = collect(UniformPolicy(), users, episodes=60, max_episode_steps=5, patience=2)
    for episode, rows in enumerate(log.episode_rows):
        accepted = log.accepted[rows]
        assert log.terminated[episode] == (not accepted[-2:].any() and len(accepted) > 1)
        assert log.terminated[episode] or len(accepted) == 5
        assert len(set(log.items[rows].tolist())) == len(accepted)
    assert log.n_episodes == 60 > len(set(log.user_ids))


def test_a_killed_collection_goes_on_to_the_same_log(users: TrueTasteUser, tmp_path: Path) -> None:
    class Dies(UniformPolicy):
        steps = 0

        def action_probabilities(self, observation: Any, allowed: BoolArray) -> Float64Array:
            self.steps += 1
            if self.steps == 10:  # in the second part
                raise KeyboardInterrupt
            return super().action_probabilities(observation, allowed)

    episodes = PART_EPISODES + 30
    whole = collect(UniformPolicy(), users, episodes=episodes, max_episode_steps=2)
    place = ResultFolder.at(tmp_path / "log", "collect", "collected log", {})
    for policy in (Dies(), UniformPolicy()):
        plan = prepare(policy, users, episodes=episodes, max_episode_steps=2)
        with place.claim({}, {}):
            if isinstance(policy, Dies):
                with pytest.raises(KeyboardInterrupt):
                    collect_to(place, plan)
                assert not (tmp_path / "log").exists()
                assert len(list(place.checkpoint.path.glob("part-*"))) == 1
            else:
                collect_to(place, plan)
    again = CollectedLog.load(tmp_path / "log")
    for name in ("items", "propensities", "rewards", "observations", "last_observations"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))


class Scoreless:
    """Acts, but says nothing of what else it might have done."""

    def predict(self, observation: Any) -> int:
        return 0


class Unfair:
    """Gives probabilities to seen items too."""

    observation = "state"

    def action_probabilities(self, observation: Any, allowed: BoolArray) -> Float64Array:
        return np.full(allowed.shape, 1 / allowed.shape[1])


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda users: stochastic(Scoreless()), "Scoreless has no propensities"),
        (lambda users: EpsilonGreedy(RandomPolicy()), "RandomPolicy draws its scores"),
        (lambda users: collect(Unfair(), users, episodes=2), "sum to one over the allowed items"),
        (lambda users: collect(UniformPolicy(), users, candidates=5), "leave these settings out"),
        (lambda users: collect(UniformPolicy(), users, episodes=0), "episodes"),
    ],
)
def test_what_has_no_propensities_is_refused(ask: Any, words: str, users: TrueTasteUser) -> None:
    with pytest.raises(SettingError, match=words):
        ask(users)


def test_a_policy_that_only_scores_is_logged_as_it_is(world: World, users: TrueTasteUser) -> None:
    log = collect(PopularPolicy(world.log), users, episodes=20, max_episode_steps=3)
    assert (log.propensities == 1).all()
    assert isinstance(stochastic(RandomPolicy()), UniformPolicy)
