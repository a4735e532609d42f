"""Judges of policies who ask nobody: what people took later, and one-step estimates of a log."""

from __future__ import annotations

import numpy as np
import pytest

from llmrec_env.common.errors import SettingError
from llmrec_env.data.world.generated import generate_world
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.evaluation.later_takes import later_takes
from llmrec_env.evaluation.ope import LoggedEpisodes, Target, evaluate_off_policy
from llmrec_env.evaluation.ope.one_step import OneStepSums
from llmrec_env.evaluation.policies import PreferencePolicy, RandomPolicy
from llmrec_env.evaluation.returns import evaluate_policy
from llmrec_env.users.true_taste import TrueTasteUser

WORLD = generate_world(0, 60, 30)


class Clairvoyant:
    """Shows a user what they will take: the user is known by the history."""

    observation = "history"

    def action_scores(self, observation: np.ndarray) -> np.ndarray:
        """1 for what is taken later."""
        people = InitialHistories(WORLD.log)
        scores = np.zeros((len(observation), WORLD.log.n_items), dtype=np.float32)
        for row, seen in zip(scores, observation, strict=True):
            history = seen[seen < WORLD.log.n_items]
            for user in people.eligible:
                if np.array_equal(people.history(user), history):
                    row[WORLD.log.sequence(user)[people.cuts[user] :]] = 1
        return scores


def test_later_takes_are_those_of_the_users_who_are_evaluated() -> None:
    user = TrueTasteUser(WORLD)
    people = InitialHistories(WORLD.log)
    found = later_takes(Clairvoyant(), user, episodes=7, seed=3, k=5, batch_users=3)
    same = evaluate_policy(RandomPolicy(), user, episodes=7, seed=3)
    later = [
        np.setdiff1d(WORLD.log.sequence(row)[people.cuts[row] :], people.history(row))
        for row in map(people.find, same.user_ids)
    ]
    assert found.tolist() == [min(5, len(items)) for items in later]
    least = later_takes(RandomPolicy(), user, k=5)
    best = later_takes(PreferencePolicy(user), user, k=5)
    with pytest.raises(SettingError, match="k must be a whole number of at least 1"):
        later_takes(RandomPolicy(), user, k=0)
    assert least.mean() < best.mean() < later_takes(Clairvoyant(), user, k=5).mean()


def a_log(rng: np.random.Generator) -> LoggedEpisodes:
    """Twelve episodes of six users."""
    offsets = np.arange(0, 61, 5)
    return LoggedEpisodes(
        offsets,
        rng.integers(0, 4, 60),
        rng.random(60),
        rng.uniform(0.2, 0.9, 60),
        owners=np.repeat(np.arange(6), 2),
    )


def test_one_step_sums_give_the_one_step_estimate() -> None:
    rng = np.random.default_rng(0)
    log, probabilities = a_log(rng), rng.uniform(0.1, 0.9, 60)
    told = evaluate_off_policy(log.one_step(), Target(probabilities), draws=50)
    owners = np.repeat(log.owners, log.lengths)
    sums = OneStepSums.of(owners, probabilities / log.propensities, log.rewards)
    assert sums.values(np.ones((1, 6)))[0] == pytest.approx(told.estimates["SN-IS"].value.mean)


def test_a_right_model_needs_no_weights_and_a_wrong_one_is_corrected() -> None:
    """Every step has the same two actions, of which the policy shows the second."""
    rng = np.random.default_rng(1)
    actions, owners = rng.integers(0, 2, 4000), np.repeat(np.arange(40), 100)
    truth = np.array([0.2, 0.7])
    rewards, ratios = truth[actions], (actions == 1) / 0.5
    right = OneStepSums.of(owners, ratios, rewards, truth[actions], np.full(4000, truth[1]))
    wrong = OneStepSums.of(owners, ratios, rewards, np.full(4000, 0.1), np.full(4000, 0.1))
    everybody = np.ones((1, 40))
    assert right.values(everybody)[0] == pytest.approx(0.7)
    assert wrong.values(everybody)[0] == pytest.approx(0.7)
    never = OneStepSums.of(owners, np.zeros(4000), rewards)
    assert np.isnan(never.values(everybody)[0])
