"""Policies that choose by chance: their probabilities, their draws and their returns."""

from __future__ import annotations

import numpy as np
import pytest

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import SettingError
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.policies import PreferencePolicy
from llmrec_env.evaluation.returns import evaluate_policy
from llmrec_env.evaluation.stochastic import EpsilonGreedy, SoftmaxPolicy, draw_actions
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core
SCORES = np.array([[0.0, 2.0, 1.0, 5.0], [3.0, 3.0, 0.0, 1.0]], dtype=np.float32)
ALLOWED = np.array([[True, True, True, False], [True, True, False, True]])


class Scores:
    """Scores the same items the same way for everybody."""

    observation = "state"

    def action_scores(self, observation: FloatArray) -> FloatArray:
        return SCORES


def test_probabilities_are_those_of_allowed_items() -> None:
    nothing = np.empty((2, 0), dtype=np.float32)
    soft = SoftmaxPolicy(Scores(), 0.5).action_probabilities(nothing, ALLOWED)
    expected = np.exp(SCORES.astype(np.float64) / 0.5) * ALLOWED
    assert soft == pytest.approx(expected / expected.sum(axis=1, keepdims=True))
    greedy = EpsilonGreedy(Scores(), 0.3).action_probabilities(nothing, ALLOWED)
    assert greedy == pytest.approx(np.array([[0.1, 0.8, 0.1, 0], [0.8, 0.1, 0, 0.1]]))


def test_draws_follow_the_probabilities_and_never_take_what_has_none() -> None:
    shares = np.array([[0.0, 0.25, 0.0, 0.75, 0.0]])
    luck = (np.arange(1000) + 0.5) / 1000
    drawn = draw_actions(np.repeat(shares, 1000, axis=0), luck)
    assert np.bincount(drawn, minlength=5) / 1000 == pytest.approx(shares[0])
    ends = np.array([0.0, np.nextafter(1.0, 0.0)])
    assert draw_actions(np.repeat(shares, 2, axis=0), ends).tolist() == [1, 3]


def test_the_less_is_left_to_chance_the_nearer_the_return_is_to_the_greedy_one() -> None:
    users = TrueTasteUser(generate_world(n_items=40, n_users=30))
    best = PreferencePolicy(users)
    greedy = evaluate_policy(best, users).mean
    assert evaluate_policy(EpsilonGreedy(best, 0.0), users).mean == greedy
    assert evaluate_policy(SoftmaxPolicy(best, 1e-4), users).mean == pytest.approx(greedy)
    noisy = evaluate_policy(EpsilonGreedy(best, 1.0), users)
    assert noisy.mean < greedy
    assert evaluate_policy(EpsilonGreedy(best, 1.0), users).returns.tolist() == (
        noisy.returns.tolist()
    )


@pytest.mark.parametrize(
    "make", [lambda: SoftmaxPolicy(Scores(), 0), lambda: EpsilonGreedy(Scores(), 1.5)]
)
def test_impossible_settings_are_refused(make: object) -> None:
    with pytest.raises(SettingError):
        make()  # type: ignore[operator]
