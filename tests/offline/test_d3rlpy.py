"""Real d3rlpy on our datasets: what it samples, what it learns, what it recommends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("d3rlpy")

import torch
from d3rlpy.algos import (
    DiscreteBCConfig,
    DiscreteBCQConfig,
    DiscreteCQLConfig,
    DoubleDQNConfig,
    DQNConfig,
)
from d3rlpy.preprocessing import StandardObservationScaler
from offline_users import N_ITEMS, Fan, make_log

from llmrec_env.common.errors import DataError
from llmrec_env.data import InteractionLog
from llmrec_env.offline import Transitions, propose, transitions
from llmrec_env.offline.d3rlpy import D3rlpyPolicy, HistoryEncoderFactory, to_mdp_dataset, train

CONFIGS = [DiscreteBCConfig, DQNConfig, DoubleDQNConfig, DiscreteCQLConfig, DiscreteBCQConfig]


@pytest.fixture
def big_log() -> InteractionLog:
    """Thirty users walking on the circle, of two to nine interactions."""
    rng = np.random.default_rng(0)
    starts, lengths = rng.integers(0, N_ITEMS, 30), rng.integers(2, 10, 30)
    return make_log(
        [
            list((s + np.cumsum(rng.integers(1, 3, n))) % N_ITEMS)
            for s, n in zip(starts, lengths, strict=True)
        ]
    )


def rows_by_content(table: Transitions) -> dict[tuple[Any, ...], set[tuple[Any, ...]]]:
    """(state, action, reward) -> the (next state, next action, terminal) that the table holds."""
    rows: dict[tuple[Any, ...], set[tuple[Any, ...]]] = {}
    for i in range(len(table)):
        end = bool(table.terminal[i])
        key = (table.state[i].tobytes(), int(table.action[i]), float(table.reward[i]))
        after = np.zeros_like(table.state[i]) if end else table.next_state[i]
        follow_up = 0 if end else int(table.next_action[i])
        rows.setdefault(key, set()).add((after.tobytes(), follow_up, end))
    return rows


@pytest.mark.parametrize("state", ["language", "history"])
@pytest.mark.parametrize("augment", [0, 1, 3])
def test_every_sampled_transition_is_a_row_of_the_table(
    big_log: InteractionLog, state: str, augment: int
) -> None:
    table = transitions(big_log, Fan(big_log), state=state, augment=augment)
    dataset = to_mdp_dataset(table)
    assert dataset.transition_count == len(table)
    assert dataset.dataset_info.action_size == big_log.n_items
    rows, seen = rows_by_content(table), set()
    for index in range(dataset.transition_count):
        seen |= {_found(dataset.transition_picker(*dataset.buffer[index]), rows)}
    assert seen == set(rows)
    for _ in range(2000):
        _found(dataset.sample_transition(), rows)


def _found(sampled: Any, rows: dict[tuple[Any, ...], set[tuple[Any, ...]]]) -> tuple[Any, ...]:
    key = (sampled.observation.tobytes(), int(sampled.action[0]), float(sampled.reward[0]))
    after = (
        sampled.next_observation.tobytes(),
        int(sampled.next_action[0]),
        bool(sampled.terminal),
    )
    assert after in rows[key]
    return key


def test_a_log_goes_in_directly(big_log: InteractionLog) -> None:
    plain = to_mdp_dataset(big_log)
    assert plain.transition_count == len(big_log) - big_log.n_users
    assert plain.size() == big_log.n_users
    augmented = to_mdp_dataset(big_log, Fan(big_log), augment=2)
    assert augmented.transition_count == 3 * plain.transition_count


def test_a_table_that_lost_rows_is_refused(log: InteractionLog, fan: Fan) -> None:
    table = transitions(log, fan)
    half = {name: getattr(table, name)[::2] for name in table.frame().columns}
    with pytest.raises(DataError, match="no whole episodes"):
        to_mdp_dataset(Transitions(**half, n_items=table.n_items, kind=table.kind))
    with pytest.raises(DataError, match="belong to a log"):
        to_mdp_dataset(table, fan)


@pytest.mark.parametrize("config", CONFIGS)
def test_algorithms_learn_score_and_come_back(
    big_log: InteractionLog, config: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fan = Fan(big_log)
    dataset = to_mdp_dataset(big_log, fan, augment=1)
    algo = config(batch_size=16, observation_scaler=StandardObservationScaler()).create()
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    history = train(algo, dataset, n_steps=20, log_every=10, seed=3)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert [row["step"] for row in history] == [10, 20]
    assert np.isfinite([row["loss"] for row in history]).all()

    policy = D3rlpyPolicy(algo, simulator=fan)
    states = fan.label(big_log).states[:7]
    scores = policy.action_scores(np.column_stack([states, np.ones((7, 3))]))
    assert scores.shape == (7, N_ITEMS)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores.argmax(axis=1), algo.predict(states))

    policy.save(tmp_path / "policy")
    back = D3rlpyPolicy.load(tmp_path / "policy")
    np.testing.assert_array_equal(back.action_scores(states), scores)

    again = config(batch_size=16, observation_scaler=StandardObservationScaler()).create()
    train(again, dataset, n_steps=20, seed=3)
    np.testing.assert_array_equal(D3rlpyPolicy(again).action_scores(states), scores)
    train(again, dataset, n_steps=1)
    assert not np.array_equal(D3rlpyPolicy(again).action_scores(states), scores)
    assert capsys.readouterr().out == ""


def test_bcq_ranks_unlikely_items_below_all_likely_ones(big_log: InteractionLog) -> None:
    fan = Fan(big_log)
    algo = DiscreteBCQConfig(action_flexibility=0.7, learning_rate=1e-2).create()
    train(algo, to_mdp_dataset(big_log, fan), n_steps=60)
    states = fan.label(big_log).states
    scores = D3rlpyPolicy(algo).action_scores(states)
    imitator = algo.impl.modules.imitator
    with torch.no_grad():
        probability = imitator(torch.as_tensor(states)).probs.numpy()
    likely = probability > 0.7 * probability.max(axis=1, keepdims=True)
    assert 0 < likely.mean() < 1
    least_likely = np.where(likely, scores, np.inf).min(axis=1)
    assert (np.where(likely, -np.inf, scores).max(axis=1) < least_likely).all()


def test_histories_train_the_history_encoder(big_log: InteractionLog, tmp_path: Path) -> None:
    encoder = HistoryEncoderFactory(n_items=N_ITEMS, embedding_size=8, hidden_size=16)
    algo = DiscreteBCConfig(encoder_factory=encoder, learning_rate=1e-2, beta=0.0).create()
    losses = train(algo, to_mdp_dataset(big_log, history_length=4), 150, log_every=50)
    assert losses[-1]["loss"] < losses[0]["loss"] - 0.5
    policy = D3rlpyPolicy(algo, observation="history")
    short, long = np.array([[N_ITEMS, 3]]), np.array([[7, 7, N_ITEMS, N_ITEMS, N_ITEMS, 3]])
    np.testing.assert_array_equal(
        policy.action_scores(short), policy.action_scores({"history": long, "state": None})
    )
    policy.save(tmp_path / "policy")
    back = D3rlpyPolicy.load(tmp_path / "policy")
    assert back.observation == "history"
    np.testing.assert_array_equal(back.action_scores(short), policy.action_scores(short))


def test_the_history_encoder_weighs_the_newest_item_most() -> None:
    encoder = HistoryEncoderFactory(n_items=N_ITEMS, embedding_size=4, hidden_size=4).create((3,))
    pad = N_ITEMS
    one, padded = encoder(torch.tensor([[5.0]])), encoder(torch.tensor([[pad, pad, 5.0]]))
    torch.testing.assert_close(one, padded)
    weights = torch.sigmoid(encoder.decay) ** torch.tensor([1.0, 0.0])
    mixed = (weights / weights.sum()) @ encoder.items.weight[[2, 5]]
    torch.testing.assert_close(
        encoder(torch.tensor([[pad, 2.0, 5.0]]))[0], torch.relu(encoder.hidden(mixed))
    )


@pytest.mark.parametrize("observation", ["state", "history"])
def test_score_steps_scores_every_prefix(big_log: InteractionLog, observation: str) -> None:
    fan = Fan(big_log)
    kind = {"state": "language", "history": "history"}[observation]
    encoder = {"encoder_factory": HistoryEncoderFactory(N_ITEMS)} if kind == "history" else {}
    algo = DQNConfig(**encoder).create()
    train(algo, to_mdp_dataset(big_log, fan, state=kind, history_length=6), n_steps=5)
    policy = D3rlpyPolicy(algo, observation=observation, simulator=fan)
    sequences = [np.array([1, 2, 3]), np.array([4]), np.array([7, 8])]
    scores = policy.score_steps(sequences)
    prefixes = [np.array([1]), np.array([1, 2]), np.array([7])]
    padded = np.array([[N_ITEMS] * (6 - len(p)) + list(p) for p in prefixes])
    inputs = fan.encode(prefixes) if observation == "state" else padded
    np.testing.assert_allclose(scores, policy.action_scores(inputs), atol=1e-6)


def test_what_a_policy_cannot_do_is_said(big_log: InteractionLog) -> None:
    fan = Fan(big_log)
    algo = DiscreteBCConfig().create()
    with pytest.raises(DataError, match="fit it first"):
        D3rlpyPolicy(algo)
    train(algo, to_mdp_dataset(big_log, fan), n_steps=1)
    with pytest.raises(DataError, match="simulator="):
        D3rlpyPolicy(algo).score_steps([np.array([1, 2])])
    with pytest.raises(DataError, match="states of 2 numbers"):
        D3rlpyPolicy(algo).action_scores(np.zeros((3, 1)))
    with pytest.raises(DataError, match="'state' or 'history'"):
        D3rlpyPolicy(algo, observation="both")
    with pytest.raises(DataError, match=r"config\.json"):
        D3rlpyPolicy.load("nowhere")


def test_a_control_augments_the_same_way(big_log: InteractionLog) -> None:
    table = transitions(big_log, augment=propose(big_log, method="random", k=2))
    assert to_mdp_dataset(table).transition_count == len(table) == 3 * (~table.augmented).sum()
