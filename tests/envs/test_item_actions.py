"""What an action shows: an item, the item nearest to a point, or one of a list of candidates."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import N_ITEMS, SEQUENCES, EvenUser, make_log
from gymnasium.error import InvalidAction

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.next_item.users_now import UsersNow
from llmrec_env.users.item_space import item_space_of
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core
NAME = "LLMRec/NextItem-v1"
ANN = {"user_id": "ann"}


class LineUser(EvenUser):
    """Items lie on a line, in the order of their indices."""

    @property
    def item_vectors(self) -> FloatArray:
        """One number an item."""
        return np.arange(N_ITEMS, dtype=np.float32)[:, None] + 1.0


@pytest.fixture
def line_user() -> LineUser:
    """Two users who can start an episode; ann has seen 0, 1 and 2."""
    return LineUser(make_log(SEQUENCES))


def play(env: Any, steps: int, seed: int) -> list[Any]:
    """What happens under actions drawn with ``seed``, some of them of seen items."""
    rng = np.random.default_rng(seed)
    told = [env.reset(seed=seed)]
    for _ in range(steps):
        space = env.action_space
        action = rng.integers(space.n) if hasattr(space, "n") else rng.uniform(-1, 1, space.shape)
        told.append(env.step(action))
        if told[-1][2] or told[-1][3]:
            break
    return told


def test_the_nearest_unseen_item_is_shown_in_the_place_of_a_seen_one(line_user: LineUser) -> None:
    env = gym.make(NAME, simulator=line_user)
    env.reset(options=ANN)
    _, reward, *_, info = env.step(1)  # 0, 1 and 2 are seen: 3 is the nearest
    assert (info["item_id"], info["replaced"], reward) == ("i3", True, pytest.approx(0.03))
    _, _, *_, info = env.step(8)
    assert (info["item_id"], info["replaced"]) == ("i8", False)
    assert env.step(8)[-1]["item_id"] in {"i7", "i9"}


def test_nobody_is_shown_an_item_twice(true_user: TrueTasteUser) -> None:
    env = gym.make(NAME, simulator=true_user, patience=1000, max_episode_steps=-1)
    _, info = env.reset(seed=0)
    left, shown, terminated = int(info["action_mask"].sum()), [], False
    while not terminated:
        _, _, terminated, _, info = env.step(7)
        shown.append(info["item_id"])
    assert len(shown) == len(set(shown)) == left


def test_the_observation_tells_what_was_shown_and_how_it_was_answered(line_user: LineUser) -> None:
    env = gym.make(NAME, simulator=line_user, shown_length=3)
    points = item_space_of(line_user).points[:, 0]
    observation, _ = env.reset(options=ANN)
    assert (observation[5:] == 0.0).all()
    for item in (5, 6, 7, 8):
        observation, *_ = env.step(item)
    mean, last, answers = observation[5:6], observation[6:9], observation[9:]
    np.testing.assert_allclose(mean, points[5:9].mean(), rtol=1e-6)
    np.testing.assert_allclose(last, points[[6, 7, 8]])
    assert answers.tolist() == [1.0, -1.0, 1.0]
    observation, _ = env.reset(options=ANN)
    assert (observation[5:] == 0.0).all()


def test_moments_that_pay_otherwise_look_otherwise(line_user: LineUser) -> None:
    observations = []
    for first in (5, 7):  # both are skipped: what they are is all that differs
        env = gym.make(NAME, simulator=line_user, seen="pay_nothing")
        env.reset(options=ANN)
        observations.append(env.step(first)[0])
        env.close()
    assert not np.array_equal(*observations)


def test_the_first_version_is_what_it_was(line_user: LineUser) -> None:
    with pytest.warns(DeprecationWarning, match="out of date"):
        old = gym.make("LLMRec/NextItem-v0", simulator=line_user)
    observation, _ = old.reset(options=ANN)
    assert observation.shape == (5,)
    observation, reward, *_, info = old.step(1)
    assert (reward, info["item_id"], "replaced" in info) == (0.0, "i1", False)
    new, _ = gym.make(NAME, simulator=line_user).reset(options=ANN)
    np.testing.assert_array_equal(new[:5], old.reset(options=ANN)[0])


def test_a_point_shows_the_nearest_unseen_item(line_user: LineUser) -> None:
    env = gym.make("LLMRec/ItemEmbedding-v0", simulator=line_user)
    points = item_space_of(line_user).points
    env.reset(options=ANN)
    assert env.step(points[9])[-1]["item_id"] == "i9"
    assert env.step(0.3 * points[9] + 0.7 * points[10])[-1]["item_id"] == "i10"
    assert env.step(50.0 * points[0])[-1]["item_id"] == "i3"  # moved to the border; 0 to 2 are seen
    with pytest.raises(InvalidAction, match="nothing to mask"):
        env.get_wrapper_attr("action_masks")()
    with pytest.raises(SettingError, match="have no mask"):
        gym.make("LLMRec/ItemEmbedding-v0", simulator=line_user, action_mask=True)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (np.array([np.nan]), "finite"),
        (np.array([0.0, 0.0]), "a point of 1 numbers"),
        (np.array(["a"]), "a point of 1 numbers"),
    ],
)
def test_what_is_no_point_is_refused(line_user: LineUser, point: Any, message: str) -> None:
    env: Any = gym.make("LLMRec/ItemEmbedding-v0", simulator=line_user).unwrapped
    env.reset(options=ANN)
    with pytest.raises(InvalidAction, match=message):
        env.step(point)
    assert env.step(np.zeros(1))[-1]["item_id"] != ""  # nothing had changed


def downward(users: UsersNow, k: int) -> IntArray:
    """The k items of the largest index, seen or not."""
    return np.tile(np.arange(N_ITEMS)[::-1][:k], (len(users.states), 1))


def test_a_place_shows_the_candidate_that_stands_there(line_user: LineUser) -> None:
    env = gym.make(NAME, simulator=line_user, candidates=4, retrieve=downward)
    _, info = env.reset(options=ANN)
    assert info["candidates"].tolist() == [11, 10, 9, 8]
    _, _, *_, info = env.step(3)
    assert info["item_id"] == "i8"
    assert info["action_mask"].tolist() == [1, 1, 1, 0]  # it was shown just now
    _, _, *_, info = env.step(3)
    assert info["replaced"]
    assert info["item_id"] in {"i7", "i9"}


def test_the_features_of_candidates_are_observed(line_user: LineUser) -> None:
    env = gym.make(NAME, simulator=line_user, candidates=4, retrieve=downward, shown_length=0)
    observation, _ = env.reset(options=ANN)
    features = observation[-4 * 5 :].reshape(4, 5)
    np.testing.assert_allclose(features[:, 4], item_space_of(line_user).points[[11, 10, 9, 8], 0])
    assert (features[0, 2], features[0, 3]) == (-1.0, 0.0)  # far from item 2; none was shown yet
    env.step(0)
    assert env.step(1)[0][-4 * 5 :].reshape(4, 5)[0, 3] == 1.0


def test_the_simulator_names_the_candidates_it_likes_best(true_user: TrueTasteUser) -> None:
    env: Any = gym.make(NAME, simulator=true_user, candidates=10)
    _, info = env.reset(seed=0)
    rules = env.unwrapped.rules
    liked = true_user.preferences(rules.states)[0]
    liked[rules.seen.of(0)] = -np.inf
    assert info["candidates"].tolist() == np.argsort(-liked)[:10].tolist()
    assert info["action_mask"].all()


def test_where_few_items_are_left_the_first_fills_the_list(line_user: LineUser) -> None:
    def few(users: UsersNow, k: int) -> IntArray:
        return np.tile([6, 9, *[-1] * (k - 2)], (len(users.states), 1))

    env = gym.make(NAME, simulator=line_user, candidates=4, retrieve=few)
    _, info = env.reset(options=ANN)
    assert info["candidates"].tolist() == [6, 9, 6, 6]
    assert info["action_mask"].tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda users, k: np.zeros((len(users.states), k + 1), dtype=np.int64),
        lambda users, k: np.full((len(users.states), k), N_ITEMS),
        lambda users, k: np.zeros((len(users.states), k)),
        lambda users, k: None,
        lambda users, k: (downward(users, k), np.full((len(users.states), k), np.nan)),
    ],
)
def test_what_retrieves_wrongly_is_named(line_user: LineUser, wrong: Any) -> None:
    env = gym.make(NAME, simulator=line_user, candidates=3, retrieve=wrong)
    with pytest.raises(SettingError, match="retrieve must name 3 items"):
        env.reset(seed=0)


def test_arguments_that_do_not_go_together_are_refused(line_user: LineUser) -> None:
    with pytest.raises(SettingError, match="say how many"):
        gym.make(NAME, simulator=line_user, retrieve=downward)
    with pytest.raises(SettingError, match="candidates="):
        gym.make("LLMRec/ItemEmbedding-v0", simulator=line_user, candidates=3)
    env = gym.make(NAME, simulator=line_user, candidates=3)  # who names no items by itself
    with pytest.raises(SettingError, match="name the candidates with retrieve"):
        env.reset(seed=0)


FORMS = [{}, {"actions": "embedding"}, {"candidates": 8}]


@pytest.mark.parametrize("form", FORMS)
def test_a_row_of_the_batch_is_the_single_environment(
    true_user: TrueTasteUser, form: dict[str, Any]
) -> None:
    kwargs = {"simulator": true_user, "patience": 3, **form}
    envs = gym.make_vec(NAME, num_envs=3, autoreset="disabled", **kwargs)
    observations, _ = envs.reset(seed=5)
    alone = [gym.make(NAME, **kwargs) for _ in range(3)]
    for row, env in enumerate(alone):
        np.testing.assert_allclose(env.reset(seed=5 + row)[0], observations[row], atol=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(2):
        space = envs.single_action_space
        shape = (3, *space.shape)
        actions = rng.integers(5, size=3) if hasattr(space, "n") else rng.uniform(-1, 1, shape)
        observations, rewards, *_, infos = envs.step(actions)
        for row, env in enumerate(alone):
            observation, reward, *_, info = env.step(actions[row])
            assert info["item_id"] == infos["item_id"][row]
            assert info["replaced"] == infos["replaced"][row]
            assert reward == pytest.approx(rewards[row])
            np.testing.assert_allclose(observation, observations[row], atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("twin", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_goes_on_alike(true_user: TrueTasteUser, form: dict[str, Any], twin: Any) -> None:
    env = gym.make(NAME, simulator=true_user, **form)
    env.reset(seed=3)
    action = env.action_space.sample() * 0
    env.step(action)
    for ours, theirs in zip(env.step(action), twin(env).step(action), strict=True):
        assert type(ours) is type(theirs)  # the twin was made before the step
    first, second = play(env, 6, seed=4), play(twin(env), 6, seed=4)
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
