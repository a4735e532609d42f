"""Whatever the architecture, every short way of reading says what a plain full reading says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tiny_models import ARCHITECTURES, N_ITEMS, plain_reward, plain_state, random_log, tiny_le

from llmrec_env.common.errors import SimulatorError
from llmrec_env.language import prefix_cache as prefix_cache
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.decoding import Decoder
from llmrec_env.language.labelling import answer_candidates, branch_log, label_log
from llmrec_env.language.model import LanguageEnvironment

pytestmark = pytest.mark.core
TOLERANCE = 1e-4
LENGTHS = [1, 6, 10]  # within the window of six, full, moved twice

items = st.integers(0, N_ITEMS - 1)
histories = st.lists(items, min_size=1, max_size=9)
# a step: what is shown to three users, who takes it, and perhaps a newcomer in one of the places
steps = st.tuples(
    st.tuples(items, items, items),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.none() | st.tuples(st.integers(0, 2), histories),
)


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def model(request: pytest.FixtureRequest) -> LanguageEnvironment:
    """An LE of each architecture in turn."""
    return tiny_le(ARCHITECTURES[request.param])


def test_one_pass_labels_a_sequence_as_reading_every_prefix_would(
    model: LanguageEnvironment,
) -> None:
    log = random_log(LENGTHS)
    states, rewards = label_log(AnsweringLE(model), log, tokens=24)
    for user, sequence in enumerate(log.sequences()):
        first = log.offsets[user]
        assert np.isnan(rewards[first])
        for t in range(1, len(sequence) + 1):
            state = plain_state(model, sequence[:t])
            assert_allclose(states[first + t - 1], state, atol=TOLERANCE)
        for t in range(1, len(sequence)):
            reward = plain_reward(model, sequence[:t], sequence[t])
            assert rewards[first + t] == pytest.approx(reward, abs=TOLERANCE)


def test_actions_tried_along_a_sequence_do_not_see_each_other(model: LanguageEnvironment) -> None:
    log = random_log([2, 8])
    actions = np.random.default_rng(1).integers(0, N_ITEMS, (len(log), 2))
    actions[3, 1] = -1
    rewards, states = branch_log(AnsweringLE(model), log, actions, tokens=40)
    assert np.isnan(rewards[3, 1])
    assert not states[3, 1].any()
    for row in range(len(log)):
        position = int(log.row_positions[row])
        history = log.items[row - position : row + 1]
        for j in range(2 if row != 3 else 1):
            reward = plain_reward(model, history, actions[row, j])
            after = plain_state(model, np.append(history, actions[row, j]))
            assert rewards[row, j] == pytest.approx(reward, abs=TOLERANCE)
            assert_allclose(states[row, j], after, atol=TOLERANCE)


def test_candidates_of_one_history_share_its_reading(model: LanguageEnvironment) -> None:
    log = random_log(LENGTHS)
    candidates = np.random.default_rng(2).integers(0, N_ITEMS, (log.n_users, 4))
    scores = answer_candidates(AnsweringLE(model), log.sequences(), candidates, tokens=20)[0]
    for user, history in enumerate(log.sequences()):
        expected = [plain_reward(model, history, a) for a in candidates[user]]
        assert_allclose(scores[user], expected, atol=TOLERANCE)


@settings(max_examples=6, deadline=None)
@given(
    start=st.tuples(histories, histories, histories), walk=st.lists(steps, max_size=9), last=items
)
def test_decoding_is_a_full_reading_after_any_walk(
    model: LanguageEnvironment,
    start: tuple[list[int], ...],
    walk: list[tuple[tuple[int, ...], tuple[bool, ...], tuple[int, list[int]] | None]],
    last: int,
) -> None:
    users = [np.array(history) for history in start]
    decoder = Decoder(AnsweringLE(model), users)
    for shown, taken, newcomer in walk:
        decoder.show(torch.tensor(shown))
        decoder.take(np.array(taken))
        users = [np.append(u, a) if k else u for u, a, k in zip(users, shown, taken, strict=True)]
        if newcomer is not None:
            row, history = newcomer
            users[row] = np.array(history)
            decoder.restart(np.array([row]), [users[row]])
    _, rewards = decoder.show(torch.full((3,), last))
    for row, history in enumerate(users):
        assert_allclose(decoder.states[row], plain_state(model, history), atol=TOLERANCE)
        reward = plain_reward(model, history, last)
        assert float(rewards[row]) == pytest.approx(reward, abs=TOLERANCE)


def test_who_comes_again_is_as_before_and_not_read_again(
    model: LanguageEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix_cache, "ROWS", 2)
    users = [np.array(history) for history in ([1, 2, 3], [4], [5, 6, 7, 8, 9, 10, 11], [12, 13])]
    decoder = Decoder(AnsweringLE(model), users[:3])
    reads: list[int] = []
    read = AnsweringLE.read

    def counted(self: AnsweringLE, items: torch.Tensor, *rest: object) -> torch.Tensor:
        reads.append(len(items))
        return read(self, items, *rest)

    monkeypatch.setattr(AnsweringLE, "read", counted)
    for rows, who, expected in (
        ([1], [0], 1),  # opened with the session, which keeps nothing
        ([0, 2], [0, 3], 1),  # one of them again
        ([1, 2], [3, 0], 0),
        ([0], [2], 1),  # makes room by forgetting user 0
        ([1, 2], [2, 3], 0),
        ([1, 2], [0, 0], 2),
    ):
        reads.clear()
        decoder.restart(np.array(rows), [users[u] for u in who])
        assert sum(reads) == expected
        for row, user in zip(rows, who, strict=True):
            assert_allclose(decoder.states[row], plain_state(model, users[user]), atol=TOLERANCE)
        _, rewards = decoder.show(torch.tensor([20, 21, 22]))
        for row, user in zip(rows, who, strict=True):
            reward = plain_reward(model, users[user], 20 + row)
            assert float(rewards[row]) == pytest.approx(reward, abs=TOLERANCE)
        decoder.take(np.array([True, False, True]))


def test_a_skipped_item_leaves_no_trace(model: LanguageEnvironment) -> None:
    log = random_log([4, 2, 6])
    asked, fresh = (
        Decoder(AnsweringLE(model), log.sequences()),
        Decoder(AnsweringLE(model), log.sequences()),
    )
    for item in (3, 7, 11):
        asked.show(torch.full((3,), item))
        assert torch.equal(asked.take(np.zeros(3, dtype=bool)), fresh.states)
    final = torch.tensor([1, 2, 3])
    assert torch.equal(asked.show(final)[1], fresh.show(final)[1])


def test_one_user_does_not_move_another(model: LanguageEnvironment) -> None:
    log = random_log([5, 3])
    alone = Decoder(AnsweringLE(model), log.sequences())
    beside = Decoder(AnsweringLE(model), log.sequences())
    for item in (3, 7, 11):
        shown = torch.full((2,), item)
        alone.show(shown)
        alone.take(np.array([True, False]))
        beside.show(torch.tensor([item, 20 - item]))
        beside.take(np.array([True, True]))
    beside.restart(np.array([1]), [np.array([2])])
    assert_allclose(alone.states[0], beside.states[0], atol=1e-6)


def test_users_of_a_single_item_can_be_asked(model: LanguageEnvironment) -> None:
    users = [np.array([4]), np.array([9])]
    decoder = Decoder(AnsweringLE(model), users)
    _, rewards = decoder.show(torch.tensor([1, 2]))
    for row, (history, action) in enumerate(zip(users, (1, 2), strict=True)):
        assert_allclose(decoder.states[row], plain_state(model, history), atol=TOLERANCE)
        reward = plain_reward(model, history, action)
        assert float(rewards[row]) == pytest.approx(reward, abs=TOLERANCE)
    decoder.take(np.array([True, True]))
    decoder.restart(np.array([1]), [np.array([5])])
    assert_allclose(decoder.states[1], plain_state(model, np.array([5])), atol=TOLERANCE)


def test_states_handed_out_stay_as_they_were(model: LanguageEnvironment) -> None:
    decoder = Decoder(AnsweringLE(model), random_log([4, 5]).sequences())
    before = decoder.states
    kept = before.clone()
    decoder.show(torch.tensor([1, 2]))
    assert not torch.equal(decoder.take(np.array([True, True])), kept)
    assert torch.equal(before, kept)


def test_taking_comes_after_showing(model: LanguageEnvironment) -> None:
    decoder = Decoder(AnsweringLE(model), [np.array([1, 2])])
    with pytest.raises(SimulatorError, match="nothing has been shown"):
        decoder.take(np.array([True]))
