"""From a log to batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import RecommenderConfig
from agents.data import TrainingData, constant_rewards
from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import UnseenItems
from llmrec_env.offline.augmentation import propose, soft_targets
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core

MakeLog = Callable[..., InteractionLog]
MakeConfig = Callable[..., RecommenderConfig]


def test_negatives_are_uniform_over_what_a_user_never_met(make_log: MakeLog) -> None:
    log = make_log([[0, 3, 3, 1], [5], [1, 2, 3, 4, 5]], n_items=6)
    drawn = UnseenItems(log).sample(np.array([0, 1, 2]), 3000, np.random.default_rng(0))
    for row, unseen in zip(drawn, ([2, 4, 5], [0, 1, 2, 3, 4], [0]), strict=True):
        values, counts = np.unique(row, return_counts=True)
        assert values.tolist() == unseen
        assert counts.min() > 0.8 * 3000 / len(unseen)


def test_a_user_who_met_everything_has_no_negatives(make_log: MakeLog) -> None:
    with pytest.raises(DataError, match="'u1' has seen all 2 items"):
        UnseenItems(make_log([[0], [0, 1]], n_items=2))


def test_events_have_rewards_of_their_own(make_log: MakeLog) -> None:
    sequences = [[0, 1, 2]]
    plain = make_log(sequences, n_items=3)
    assert constant_rewards(plain).tolist() == [1.0, 1.0, 1.0]
    told = make_log(sequences, n_items=3, event=["view", "addtocart", "view"])
    assert constant_rewards(told).tolist() == pytest.approx([0.2, 1.0, 0.2])
    assert constant_rewards(told, click=0.5, purchase=3).tolist() == [0.5, 3.0, 0.5]
    unknown = make_log(sequences, n_items=3, event=["view", "sneeze", "view"])
    with pytest.raises(DataError, match="'sneeze'"):
        constant_rewards(unknown)


def test_a_batch_holds_what_the_simulator_says(user: TrueTasteUser, tiny: MakeConfig) -> None:
    log = user.world.log
    config = tiny(objective="snqn", state=True, reward=True, augment=True)
    data = TrainingData.prepare(log, user, config)
    labels = user.label(log)
    chosen = np.arange(len(data.windows))
    batch = data.batch(chosen, np.random.default_rng(0), torch.device("cpu"))
    rows = np.setdiff1d(np.arange(len(log)), log.offsets[1:] - 1)
    assert batch.actions.tolist() == log.items[rows + 1].tolist()
    assert batch.rewards.numpy() == pytest.approx(labels.rewards[rows + 1])
    assert batch.language is not None
    assert batch.next_language is not None
    assert np.array_equal(batch.language.numpy(), labels.states[rows])
    assert np.array_equal(batch.next_language.numpy(), labels.states[rows + 1])
    assert np.flatnonzero(batch.terminal).tolist() == (np.cumsum(log.lengths - 1) - 1).tolist()
    assert batch.items_before.tolist() == (log.row_positions[rows] + 1).tolist()
    total = batch.items_before + 1 + batch.items_after
    assert total.tolist() == log.lengths[log.row_users[rows]].tolist()
    assert batch.facts.longest == batch.items_before.max()
    assert torch.bincount(batch.facts.rank).tolist() == [1] * log.n_items
    by_rank = log.item_counts()[batch.facts.rank.argsort().numpy()]
    assert by_rank.tolist() == sorted(log.item_counts(), reverse=True)
    assert batch.facts.share.numpy() == pytest.approx(log.item_counts() / len(log))
    seen = [set(log.sequence(u).tolist()) for u in log.row_users[rows]]
    assert all(not m & set(n) for m, n in zip(seen, batch.negatives.tolist(), strict=True))

    augmentation = batch.augmentation
    assert augmentation is not None
    assert augmentation.actions.shape == (len(rows), 3)
    by_then = [
        set(log.sequence(user)[:length].tolist())
        for user, length in zip(log.row_users[rows], batch.items_before.tolist(), strict=True)
    ]
    assert all(not m & set(a) for m, a in zip(by_then, augmentation.actions.tolist(), strict=True))
    torch.testing.assert_close(augmentation.weights.sum(dim=1), torch.ones(len(rows)))
    every = np.zeros((len(log), 1), dtype=np.int64)
    every[rows] = augmentation.actions[:, :1].numpy()
    branches = user.branch(log, every)
    assert augmentation.rewards.numpy() == pytest.approx(branches.rewards[rows, 0])
    assert augmentation.language is not None
    assert augmentation.language.numpy() == pytest.approx(branches.states[rows, 0])


def test_constant_rewards_and_no_states_where_the_switches_are_off(
    user: TrueTasteUser, tiny: MakeConfig
) -> None:
    config = tiny(objective="snqn", augment=True)
    data = TrainingData.prepare(user.world.log, user, config)
    batch = data.batch(np.arange(5), np.random.default_rng(0), torch.device("cpu"))
    assert batch.augmentation is not None
    assert set(batch.rewards.tolist()) == set(batch.augmentation.rewards.tolist()) == {1.0}
    assert data.states.shape[1] == 0


def test_a_proposed_action_earns_the_mean_of_clicks_and_purchases(
    make_log: MakeLog, tiny: MakeConfig
) -> None:
    log = make_log([[0, 1, 2], [1, 2, 3]], n_items=9, event=["view", "view", "transaction"] * 2)
    config = tiny(objective="sqn", augment=True, teacher="popular", click_reward=0.1)
    data = TrainingData.prepare(log, None, config)
    batch = data.batch(np.arange(2), np.random.default_rng(0), torch.device("cpu"))
    assert batch.augmentation is not None
    assert set(batch.rewards.tolist()) == {np.float32(0.1), 1.0}
    assert batch.augmentation.rewards.tolist() == pytest.approx([0.4] * 4)


@settings(deadline=None, max_examples=20)
@given(low=st.floats(0.01, 1), high=st.floats(0.01, 1), seed=st.integers(0, 9))
def test_a_share_of_the_steps_learns_from_proposals(
    low: float, high: float, seed: int, user: TrueTasteUser, tiny: MakeConfig
) -> None:
    log, (low, high) = user.world.log, sorted((low, high))

    def weights(share: float) -> np.ndarray:
        config = tiny(augment=True, augment_share=share, seed=seed)
        data = TrainingData.prepare(log, user, config)
        assert data.proposals is not None
        return data.proposals.weights[log.row_goes_on]

    whole = soft_targets(propose(log, user, k=3, later=True))[log.row_goes_on]
    assert np.array_equal(weights(1.0), whole)
    some, more = weights(low), weights(high)
    learned, learned_more = some.any(axis=1), more.any(axis=1)
    assert learned.sum() == round(low * len(whole))
    assert not (learned & ~learned_more).any()
    assert np.array_equal(some[learned], whole[learned])


def test_refusals_name_the_mend(make_log: MakeLog, user: TrueTasteUser, tiny: MakeConfig) -> None:
    log = make_log([[0, 1]], n_items=3)
    with pytest.raises(DataError, match="two interactions"):
        TrainingData.prepare(make_log([[0], [1]], n_items=3), None, tiny())
    with pytest.raises(LLMRecError, match="simulator="):
        TrainingData.prepare(log, None, tiny(objective="snqn", reward=True))
    with pytest.raises(LLMRecError, match=r"another catalogue \(3 items\)"):
        TrainingData.prepare(log, user, tiny(augment=True))
