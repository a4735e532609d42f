"""Any ranker as a teacher, several mixed, and several fused when serving."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import Recommender, RecommenderConfig
from agents.data import TrainingData
from agents.fusion import FromCounts, LateFusion, log_softmax
from agents.teachers import mixed, proposals_of
from llmrec_env.common.errors import DataError, LLMRecError, SettingError
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.ranking import ItemKNN, SimulatorRanker, evaluate_ranking
from llmrec_env.offline.augmentation import Proposals, propose, soft_targets
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core

MakeLog = Callable[..., InteractionLog]
MakeConfig = Callable[..., RecommenderConfig]


class Next:
    """Says that item i + 1 follows item i."""

    def score_steps(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        last = np.concatenate([np.asarray(s[:-1]) for s in sequences])
        return -np.abs(np.arange(12) - (last[:, None] + 1) % 12).astype(np.float32)


def test_the_simulated_user_as_a_ranker_proposes_what_it_proposes_itself(
    user: TrueTasteUser,
) -> None:
    log = user.world.log.with_strangers()  # a ranker is told no names
    own = propose(log, user, k=5)
    ranked = proposals_of(SimulatorRanker(user), log, k=5)
    steps = log.row_goes_on
    assert np.array_equal(ranked.actions[steps], own.actions[steps])
    assert ranked.scores[steps] == pytest.approx(own.scores[steps], abs=1e-5)
    assert (ranked.actions[~steps] == -1).all()


def test_nobody_is_proposed_an_own_item(cycle_log: InteractionLog) -> None:
    found = proposals_of(Next(), cycle_log, k=4)
    for row, user in enumerate(cycle_log.row_users):
        own = set(cycle_log.sequence(user).tolist())
        assert not own & set(found.actions[row].tolist())


def test_a_network_learns_what_its_teacher_proposes(
    cycle_log: InteractionLog, make_log: MakeLog, tiny: MakeConfig
) -> None:
    rng = np.random.default_rng(0)
    noise = make_log([rng.choice(12, 4, replace=False).tolist() for _ in range(60)], n_items=12)
    config = tiny(augment=True, augment_weight=10.0, epochs=30, learning_rate=1e-2)
    taught = Recommender(config).fit(noise, proposals=proposals_of(Next(), noise, k=3))
    alone = Recommender(tiny(epochs=30, learning_rate=1e-2)).fit(noise)
    after, before = (evaluate_ranking(r, cycle_log, ks=(1,))["HR@1"] for r in (taught, alone))
    assert after > before + 0.3


def test_given_proposals_need_no_simulator_and_must_fit(
    cycle_log: InteractionLog, user: TrueTasteUser, tiny: MakeConfig
) -> None:
    found = proposals_of(Next(), cycle_log, k=3)
    data = TrainingData.prepare(cycle_log, None, tiny(augment=True), found)
    assert data.proposals is not None
    assert np.array_equal(data.proposals.weights, soft_targets(found))
    with pytest.raises(DataError, match="do not fit a log"):
        TrainingData.prepare(user.world.log, None, tiny(augment=True), found)
    with pytest.raises(LLMRecError, match="augment is off"):
        TrainingData.prepare(cycle_log, None, tiny(), found)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 5), st.floats(0.3, 3))
@settings(max_examples=50, deadline=None)
def test_a_mixture_adds_up_soft_targets(seed: int, weight: float, temperature: float) -> None:
    rng = np.random.default_rng(seed)
    teachers = []
    for _ in range(2):
        actions = np.stack([rng.permutation(10)[:4] for _ in range(6)])
        actions[rng.random(actions.shape) < 0.2] = -1
        scores = np.where(actions >= 0, rng.normal(size=actions.shape), -np.inf)
        teachers.append(Proposals(actions.astype(np.int64), scores.astype(np.float32)))
    expected = np.zeros((6, 10))
    for teacher, share, heat in zip(teachers, (1.0, weight), (1.0, temperature), strict=True):
        targets = soft_targets(teacher, heat)
        for row, column in np.argwhere(teacher.actions >= 0):
            expected[row, teacher.actions[row, column]] += share * targets[row, column]
    mixture = mixed(teachers, 8, (1.0, weight), (1.0, temperature))
    found = np.zeros((6, 10))
    targets = soft_targets(mixture)
    for row, column in np.argwhere(mixture.actions >= 0):
        found[row, mixture.actions[row, column]] += targets[row, column]
    total = expected.sum(axis=1, keepdims=True)
    assert found == pytest.approx(expected / np.where(total > 0, total, 1), abs=1e-5)
    assert (np.diff(np.where(mixture.scores > -np.inf, mixture.scores, -1e9)) <= 1e-6).all()


def test_a_fusion_is_the_sum_of_log_probabilities(cycle_log: InteractionLog) -> None:
    sequences = [cycle_log.sequence(user) for user in range(3)]
    counts = ItemKNN(cycle_log)
    fused = LateFusion([Next(), FromCounts(counts)], (2.0, 0.5), (1.0, 3.0)).score_steps(sequences)
    shares = counts.score_steps(sequences).astype(np.float64)
    shares /= shares.sum(axis=1, keepdims=True)
    other = log_softmax((np.log(shares + 1e-6) / 3).astype(np.float32))
    expected = 2 * log_softmax(Next().score_steps(sequences)) + 0.5 * other
    assert fused == pytest.approx(expected, abs=1e-4)
    alone = LateFusion([Next()]).score_steps(sequences)
    assert np.exp(alone).sum(axis=1) == pytest.approx(np.ones(len(alone)), abs=1e-5)


def test_wrong_weights_are_refused() -> None:
    with pytest.raises(SettingError, match="one a ranker"):
        LateFusion([Next(), Next()], (1.0,))
    with pytest.raises(SettingError, match="at least one teacher"):
        mixed([])
