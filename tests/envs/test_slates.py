"""Lists of items: which one is looked at, what is paid, what becomes of seen items and repeats."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import N_ITEMS, EvenUser
from gymnasium.error import InvalidAction
from gymnasium.utils.env_checker import data_equivalence
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from row_by_row import alone, together

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import SettingError, SimulatorError
from llmrec_env.envs.slate.choice import draw_places, look_probabilities
from llmrec_env.evaluation.agents import evaluate_agent, random_agent
from llmrec_env.evaluation.episodes import Turn
from llmrec_env.evaluation.intervals import standard_error
from llmrec_env.users.language import embedded_user
from llmrec_env.users.states_from import StatesFrom
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = [pytest.mark.core, pytest.mark.filterwarnings("error")]
ID = "LLMRec/Slate-v0"
ANN = {"user_id": "ann"}
LOGITS = st.floats(-(2.0**99), 2.0**99, width=32)
MODES = ("next_step", "same_step", "disabled")


class BiasedUser(EvenUser):
    """An even user whose action model prefers items of higher numbers."""

    def preferences(self, states: FloatArray) -> FloatArray:
        """The same for everyone."""
        return np.tile(np.arange(N_ITEMS, dtype=np.float32) / 4, (len(states), 1))


def make(simulator: object, **kwargs: Any) -> gym.Env:
    return gym.make(ID, **{"simulator": simulator, "slate_size": 3, **kwargs})


def make_vec(simulator: object, num_envs: int, **kwargs: Any) -> gym.vector.VectorEnv:
    return gym.make_vec(
        ID, num_envs=num_envs, **{"simulator": simulator, "slate_size": 3, **kwargs}
    )


# which item is looked at --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position_bias", "weights"),
    [(0.0, [1, 1, 1]), (1.0, [1, 1 / 2, 1 / 3]), (2.0, [1, 1 / 4, 1 / 9])],
)
def test_users_without_an_action_model_look_by_the_place_alone(
    even_user: EvenUser, position_bias: float, weights: list[float]
) -> None:
    env = make(even_user, position_bias=position_bias)
    env.reset(seed=0, options=ANN)
    info = env.step([7, 9, 8])[4]
    expected = np.array(weights) / sum(weights)
    np.testing.assert_allclose(info["look_probability"], expected, rtol=1e-6)


def test_what_is_looked_at_and_paid_follows_the_stated_model(even_user: EvenUser) -> None:
    user, rows, slate = BiasedUser(even_user.users), 4000, [7, 4, 10]
    envs = make_vec(user, rows)
    envs.reset(seed=0, options={"user_id": ["ann"] * rows})
    _, rewards, _, _, infos = envs.step(np.tile(slate, (rows, 1)))
    odds = np.exp(np.array(slate) / 4) / np.array([1, 2, 3])
    expected = odds / odds.sum()
    np.testing.assert_allclose(infos["look_probability"], np.tile(expected, (rows, 1)), rtol=1e-5)
    counts = np.bincount(infos["place"], minlength=3)
    chi_square = ((counts - rows * expected) ** 2 / (rows * expected)).sum()
    assert chi_square < 13.8  # 2 degrees of freedom: once in a thousand
    worth = expected @ (np.array(slate) / 100)
    assert rewards.mean() == pytest.approx(worth, abs=4 * rewards.std() / rows**0.5)
    taken = infos["rewards"]["taken"].astype(np.float64)
    assert taken.mean() == pytest.approx(
        expected @ [0, 0.04, 0.10], abs=4 * taken.std() / rows**0.5
    )


def test_taking_is_independent_of_the_place_that_was_drawn() -> None:
    rng = np.random.default_rng(0)
    probabilities = np.tile([0.5, 0.0, 0.3, 0.2], (20_000, 1))
    places, rest = draw_places(probabilities, rng.random(20_000))
    assert set(places.tolist()) == {0, 2, 3}
    for place in (0, 2, 3):
        among = rest[places == place]
        assert 0.0 <= among.min() <= among.max() < 1.0
        np.testing.assert_allclose(
            np.quantile(among, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.02
        )


@given(
    st.lists(st.tuples(LOGITS, st.booleans()), min_size=1, max_size=6),
    st.floats(0, 50),
    st.floats(0, 1, exclude_max=True),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_only_what_is_offered_is_looked_at(
    places: list[tuple[float, bool]], position_bias: float, uniform: float
) -> None:
    attraction = np.array([[value for value, _ in places]], dtype=np.float32)
    offered = np.array([[there for _, there in places]])
    looks = look_probabilities(attraction, offered, position_bias)
    assert looks.sum() == pytest.approx(float(offered.any()))
    place, rest = draw_places(looks, np.array([uniform]))
    assert 0.0 <= rest[0] < 1.0
    assert offered[0, place[0]] if offered.any() else place[0] == -1


def test_true_users_look_by_the_utility_that_decided_in_the_log(true_user: TrueTasteUser) -> None:
    session = true_user.open([true_user.users.sequence(row)[:4] for row in (0, 1)], np.arange(2))
    items = np.array([[3, 9, 40], [1, 2, 3]])
    utility = np.take_along_axis(true_user.preferences(session.states), items, axis=1)
    sharpness = true_user.world.parameters.choice_sharpness
    found = true_user.attraction(session, items)
    np.testing.assert_allclose(found, sharpness * utility, atol=1e-4)
    observed = StatesFrom(true_user, EvenLike(true_user))
    twin = observed.open([true_user.users.sequence(row)[:4] for row in (0, 1)], np.arange(2))
    np.testing.assert_array_equal(observed.attraction(twin, items), found)


class EvenLike(EvenUser):
    """An observer of another simulator's users."""

    def __init__(self, simulator: TrueTasteUser) -> None:
        super().__init__(simulator.users)


def test_language_users_look_by_their_action_model() -> None:
    user = embedded_user()
    session = user.open([user.users.sequence(row)[:5] for row in range(3)])
    items = np.random.default_rng(0).integers(user.n_items, size=(3, 4))
    expected = np.take_along_axis(user.preferences(session.states), items, axis=1)
    np.testing.assert_allclose(user.attraction(session, items), expected, atol=1e-4)


# what it pays, and what is seen afterwards --------------------------------------------------------


def test_the_item_looked_at_is_paid_and_seen_the_others_stay_unseen(even_user: EvenUser) -> None:
    env = make(even_user, patience=3)
    _, info = env.reset(seed=1, options=ANN)
    assert (info["place"], info["item_id"], info["accepted"]) == (-1, "", False)
    assert info["slate"].tolist() == [N_ITEMS] * 3
    before = env.unwrapped.rules.seen.of(0).tolist()
    _, reward, terminated, _, info = env.step([7, 9, 11])
    item = [7, 9, 11][info["place"]]
    assert info["item_id"] == info["title"] == f"i{item}"
    assert reward == pytest.approx(item / 100)
    assert info["rewards"] == {"list": pytest.approx(item / 100), "taken": 0.0}
    assert (info["accepted"], terminated) == (False, False)
    assert env.unwrapped.rules.seen.of(0).tolist() == sorted([*before, item])
    assert env.unwrapped.rules.shown.items[0].tolist()[-1] == item
    assert env.unwrapped.rules.patience_left[0] == 2
    _, reward, _, _, info = env.step([4, 6, 8])
    assert info["accepted"]
    assert env.unwrapped.rules.patience_left[0] == 3
    assert info["rewards"]["taken"] == info["rewards"]["list"] == pytest.approx(reward)


def test_reward_on_taken_pays_nothing_for_a_look(even_user: EvenUser) -> None:
    env = make(even_user, reward_on="taken")
    env.reset(seed=1, options=ANN)
    assert env.step([7, 9, 11])[1] == 0.0
    assert env.step([4, 6, 8])[1] > 0.0
    env.set_wrapper_attr("reward_on", "list")
    assert env.step([7, 9, 11])[1] > 0.0
    with pytest.raises(SettingError, match="reward_on must be one of"):
        env.set_wrapper_attr("reward_on", "shown")
    with pytest.raises(SettingError, match="'slate_size'"):
        env.set_wrapper_attr("slate_size", 2)


def test_seen_items_and_repeats_give_way_to_the_nearest_unseen_ones(
    true_user: TrueTasteUser,
) -> None:
    env = make(true_user, slate_size=5)
    env.reset(seed=0)
    rules = env.unwrapped.rules
    seen = rules.seen.of(0)
    fresh = np.setdiff1d(np.arange(60), seen)[:2]
    info = env.step([fresh[0], seen[0], fresh[0], fresh[1], seen[0]])[4]
    assert info["replaced"].tolist() == [False, True, True, False, True]
    slate = info["slate"]
    assert slate[[0, 3]].tolist() == fresh.tolist()
    assert len(set(slate.tolist())) == 5
    assert not set(slate.tolist()) & set(seen.tolist())
    points = env.unwrapped.rules.shown._points
    left = np.setdiff1d(np.arange(60), [*seen, *fresh])
    distances = ((points[left] - points[seen[0]]) ** 2).sum(axis=1)
    assert slate[1] == left[distances.argmin()]


def test_with_pay_nothing_stale_places_are_passed_over(even_user: EvenUser) -> None:
    env = make(even_user, seen="pay_nothing", patience=2)
    env.reset(seed=0, options=ANN)
    info = env.step([0, 8, 8])[4]
    assert (info["place"], info["slate"].tolist()) == (1, [0, 8, 8])
    assert info["look_probability"].tolist() == [0.0, 1.0, 0.0]
    _, reward, terminated, _, info = env.step([0, 1, 8])
    assert (reward, terminated, info["place"], info["item_id"]) == (0.0, False, -1, "")
    assert info["look_probability"].tolist() == [0.0, 0.0, 0.0]
    assert env.step([0, 1, 8])[2]  # two lists of which nothing was taken


def test_the_last_unseen_items_fill_what_they_can(even_user: EvenUser) -> None:
    env = make(even_user, patience=N_ITEMS)
    env.reset(seed=0, options=ANN)
    ends, offered = [], []
    for _ in range(N_ITEMS - 3):
        _, _, terminated, _, info = env.step([0, 0, 0])
        ends.append(terminated)
        offered.append(int((info["look_probability"] > 0).sum()))
    assert ends == [False] * (N_ITEMS - 4) + [True]
    assert offered == [3] * (N_ITEMS - 5) + [2, 1]


def test_two_policies_with_one_seed_face_the_same_luck(true_user: TrueTasteUser) -> None:
    generators = []
    for slate in ([0, 0, 0], [5, 6, 7]):
        env = make(true_user, seen="pay_nothing")
        env.reset(seed=5)
        env.step(slate)
        generators.append(env.unwrapped.np_random.random())
    assert generators[0] == generators[1]


# batched, copied, refused -------------------------------------------------------------------------


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_each_row_is_the_single_environment_with_its_own_seed(
    true_user: TrueTasteUser, data: st.DataObject
) -> None:
    num_envs = data.draw(st.integers(1, 4), label="num_envs")
    seed = data.draw(st.integers(0, 10_000), label="seed")
    autoreset = data.draw(st.sampled_from(MODES), label="autoreset")
    kwargs: dict[str, Any] = {
        "slate_size": data.draw(st.integers(1, 4), label="slate_size"),
        "seen": data.draw(st.sampled_from(["replace", "pay_nothing"]), label="seen"),
        "candidates": data.draw(st.sampled_from([None, 20]), label="candidates"),
        "patience": data.draw(st.integers(1, 4), label="patience"),
        "max_episode_steps": data.draw(st.sampled_from([1, 3, 50]), label="limit"),
        "action_mask": True,
    }
    shape = (25, num_envs, kwargs["slate_size"])
    actions = np.random.default_rng(seed).integers(20, size=shape)
    rows = together(make_vec(true_user, num_envs, autoreset=autoreset, **kwargs), seed, actions)
    for i, row in enumerate(rows):
        expected = alone(make(true_user, **kwargs), seed + i, list(actions[:, i]), autoreset)
        for mine, theirs in zip(row, expected, strict=True):
            assert data_equivalence(without_masks(mine), without_masks(theirs), exact=True)


def without_masks(told: tuple[Any, ...]) -> tuple[Any, ...]:
    """A single environment repeats the mask for each place."""
    info = dict(told[-1])
    info.pop("action_mask")
    if "final_info" in info:
        info["final_info"] = {k: v for k, v in info["final_info"].items() if k != "action_mask"}
    return (*told[:-1], info)


def test_masks_stand_place_after_place(even_user: EvenUser) -> None:
    env = make(even_user)
    _, info = env.reset(options=ANN)
    masks = env.unwrapped.action_masks()
    assert masks.shape == (3 * N_ITEMS,)
    for place, mask in enumerate(info["action_mask"]):
        np.testing.assert_array_equal(masks.reshape(3, -1)[place], mask.astype(bool))
        assert np.flatnonzero(mask == 0).tolist() == [0, 1, 2]
    assert min(env.action_space.sample(info["action_mask"])) > 2
    envs = make_vec(even_user, 2, action_mask=True)
    _, infos = envs.reset(seed=0)
    assert infos["action_mask"].shape == (2, N_ITEMS)
    assert envs.unwrapped.action_masks().shape == (2, 3 * N_ITEMS)


@pytest.mark.parametrize(
    "slate",
    [
        3,
        [3, 4],
        [3, 4, 5, 6],
        [3, 4, N_ITEMS],
        [3, 4, -1],
        [3.0, 4.0, 5.0],
        [3, [4], 5],
        None,
        "abc",
    ],
)
def test_what_is_no_slate_is_refused_and_changes_nothing(even_user: EvenUser, slate: Any) -> None:
    env = make(even_user)
    env.reset(seed=0, options=ANN)
    with pytest.raises(InvalidAction, match=r"slate of 3 item indices, integers in \[0, 12\)"):
        env.unwrapped.step(slate)
    assert env.unwrapped.rules.steps[0] == 0
    assert env.unwrapped.rules.patience_left[0] == 5


def test_a_slate_of_candidates_names_their_places(true_user: TrueTasteUser) -> None:
    env = make(true_user, candidates=10)
    assert env.action_space == gym.spaces.MultiDiscrete([10] * 3)
    observation, info = env.reset(seed=0)
    assert observation in env.observation_space
    candidates = info["candidates"]
    info = env.step([4, 0, 9])[4]
    assert info["slate"].tolist() == candidates[[4, 0, 9]].tolist()
    with pytest.raises(InvalidAction, match="slate of 3 places of candidates"):
        env.unwrapped.step([4, 0, 10])


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *[("slate_size", value) for value in (0, N_ITEMS + 1, 2.0, True, None)],
        *[("position_bias", value) for value in (-1, np.nan, np.inf, "1", True, None)],
        *[("reward_on", value) for value in ("shown", None)],
        ("candidates", 2),  # fewer than places
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(
    even_user: EvenUser, setting: str, value: Any
) -> None:
    name = "slate_size" if setting == "candidates" else setting
    with pytest.raises(SettingError, match=name) as refused:
        make_vec(BiasedUser(even_user.users), 2, **{setting: value})
    assert "\n" not in str(refused.value)


def test_attractions_that_are_no_numbers_are_the_simulators_fault(even_user: EvenUser) -> None:
    user = BiasedUser(even_user.users)
    env = make(user)
    env.reset(seed=0, options=ANN)
    user.attraction = lambda session, items: np.full(items.shape, np.nan)  # type: ignore[method-assign]
    with pytest.raises(SimulatorError, match="BiasedUser gave attractions"):
        env.step([7, 8, 9])


@pytest.mark.parametrize("simulator", ["embedded", "true-taste"])
def test_it_goes_on_where_it_was_pickled_or_copied(simulator: str) -> None:
    envs = make_vec(simulator, 3, accept_rate=0.5, patience=2)
    envs.reset(seed=1)
    envs.step(np.arange(9).reshape(3, 3))
    twins = pickle.loads(pickle.dumps(envs)), copy.deepcopy(envs)
    for step in range(4):
        actions = np.arange(9).reshape(3, 3) + 17 * step
        observation, rewards, *_ = envs.step(actions)
        for twin in twins:
            theirs = twin.step(actions)
            np.testing.assert_array_equal(observation, theirs[0])
            np.testing.assert_array_equal(rewards, theirs[1])


def test_it_is_drawn_as_a_list(even_user: EvenUser) -> None:
    env = make(even_user, render_mode="ansi")
    env.reset(seed=0, options=ANN)
    assert "answer" not in env.render()
    env.step([4, 6, 8])
    drawn = env.render().splitlines()
    assert [line.split()[:2] for line in drawn[2:5]] == [["1", "i4"], ["2", "i6"], ["3", "i8"]]
    assert sum("looked at" in line for line in drawn) == 1
    assert "took it" in drawn[-1]


# agents -------------------------------------------------------------------------------------------


def best_of(scores: Any) -> Any:
    """An agent whose lists are the unseen items of the highest scores, the best uppermost."""

    def agent(turn: Turn) -> Any:
        given = scores(turn) if callable(scores) else scores
        masks = turn.masks()[:, : np.shape(given)[-1]]
        return np.argsort(np.where(masks, -given, np.inf), axis=1)[:, :5]

    return agent


def test_popular_lists_earn_more_than_random_ones_among_language_users() -> None:
    counts = embedded_user().users.item_counts()
    popular, random = (
        evaluate_agent(agent, ID, 150, slate_size=5).returns
        for agent in (best_of(counts), random_agent)
    )
    assert (popular - random).mean() > 3 * standard_error(popular - random)


def test_lists_by_the_known_taste_earn_more_than_random_ones(true_user: TrueTasteUser) -> None:
    def taste(turn: Turn) -> Any:
        return true_user.preferences(turn.observations[:, : true_user.state_size])

    kwargs: dict[str, Any] = {"simulator": true_user, "slate_size": 5}
    knowing, random = (
        evaluate_agent(agent, ID, **kwargs) for agent in (best_of(taste), random_agent)
    )
    assert knowing.mean > 1.2 * random.mean


def test_the_better_item_is_worth_more_higher_up(true_user: TrueTasteUser) -> None:
    def upside_down(turn: Turn) -> Any:
        return best_of(lambda t: true_user.preferences(t.observations[:, : true_user.state_size]))(
            turn
        )[:, ::-1]

    def right_way(turn: Turn) -> Any:
        return upside_down(turn)[:, ::-1]

    kwargs: dict[str, Any] = {"simulator": true_user, "slate_size": 5, "position_bias": 3.0}
    better, worse = (evaluate_agent(agent, ID, **kwargs) for agent in (right_way, upside_down))
    assert better.mean > worse.mean


def test_standard_agents_learn_on_lists(true_user: TrueTasteUser) -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    contrib = pytest.importorskip("sb3_contrib")
    from llmrec_env.envs.sb3 import make_vec_env

    for kind in (sb3.PPO, contrib.MaskablePPO):
        env = make_vec_env(4, seed=0, id=ID, simulator=true_user, slate_size=3, candidates=20)
        model = kind("MlpPolicy", env, n_steps=16, n_epochs=1, seed=0).learn(128)
        assert model.num_timesteps == 128
        assert len(model.ep_info_buffer) > 0
