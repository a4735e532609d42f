"""Users who answer by a recommender's scores."""

from __future__ import annotations

import numpy as np
import pytest

from llmrec_env.common.errors import DataError, SimulatorError
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.policies import PopularPolicy, RandomPolicy
from llmrec_env.evaluation.returns import evaluate_policy
from llmrec_env.users.base import Feedback, Histories
from llmrec_env.users.scored import ScoredUser

LOG = generate_world(0, 60, 80).log


def popularity(histories: Histories, feedback: Feedback) -> np.ndarray:
    """The same scores for everybody."""
    return np.tile(LOG.item_counts().astype(np.float32), (len(histories), 1))


def ratings_read(histories: Histories, feedback: Feedback) -> np.ndarray:
    """Likes what lies near the item rated best."""
    best = [history[np.nanargmax(own)] for history, own in zip(histories, feedback, strict=True)]
    return -np.abs(np.arange(LOG.n_items) - np.array(best)[:, None]).astype(np.float32)


def test_what_a_recommender_puts_first_is_taken_and_liked_more() -> None:
    user = ScoredUser(popularity, LOG)
    order = np.argsort(LOG.item_counts())
    history = order[30:33]
    answers = user.answers([history], order[[0, 10, 50, 59]][None])
    assert user.slope > 0
    assert (np.diff(answers.accept_probability[0]) > 0).all()
    assert (np.diff(answers.reward[0]) > 0).all()
    popular, anything = (
        evaluate_policy(policy, user, episodes=20).mean
        for policy in (PopularPolicy(LOG), RandomPolicy())
    )
    assert popular > 2 * anything


def test_uniformly_shown_items_are_taken_at_the_stated_rate() -> None:
    everything = np.arange(LOG.n_items)[None]
    for rate in (0.1, 0.4):
        user = ScoredUser(popularity, LOG).with_accept_rate(rate)
        told = user.answers([LOG.sequence(0)[:3]], everything).accept_probability
        assert told.mean() == pytest.approx(rate, abs=0.03)
    with pytest.raises(SimulatorError, match="between 0 and 1"):
        user.with_accept_rate(1.0)
    with pytest.raises(DataError, match="another catalogue"):
        ScoredUser(popularity, LOG, generate_world(0, 50, 20).log)


def test_a_recommender_that_reads_ratings_is_told_them() -> None:
    user = ScoredUser(
        lambda histories, feedback: ratings_read(
            histories, [np.nan_to_num(own, nan=1.0) for own in feedback]
        ),
        LOG,
        feedback_source="rating",
    )
    history, near = np.array([5, 50]), np.array([[6, 49]])
    low_first = user.answers([history], near, feedback=[np.array([1.0, 5.0], dtype=np.float32)])
    high_first = user.answers([history], near, feedback=[np.array([5.0, 1.0], dtype=np.float32)])
    assert low_first.reward[0, 1] > 0.9 > 0.5 > low_first.reward[0, 0]
    assert high_first.reward[0, 0] > 0.9 > 0.5 > high_first.reward[0, 1]


def test_those_who_took_one_item_calibrate_nothing() -> None:
    short = InteractionLog(
        catalogue=LOG.catalogue,
        items=LOG.items[:1],
        offsets=np.array([0, 1]),
        user_ids=LOG.user_ids[:1],
        feedback=LOG.feedback[:1],
        reading=LOG.reading,
    )
    with pytest.raises(DataError, match="took two items"):
        ScoredUser(popularity, short)
