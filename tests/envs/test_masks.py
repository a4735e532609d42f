"""Masks within observations: in every library's form, single and batched, in every auto-reset."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import EvenUser
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.wrappers import RecordEpisodeStatistics
from row_by_row import alone
from test_vector import MODES

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.infos import row_infos
from llmrec_env.envs.masks import FORMS, MaskInObservation, VectorMaskInObservation
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = [
    pytest.mark.core,
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore:.*different from the unwrapped version"),
]
ID = "LLMRec/TrueTaste-v1"
KINDS = ("state", "history", "both")


@pytest.mark.parametrize("library", sorted(FORMS))
@pytest.mark.parametrize("observation", KINDS)
def test_the_checker_has_nothing_to_say(
    library: str, observation: str, true_user: TrueTasteUser
) -> None:
    env = gym.make(ID, simulator=true_user, observation=observation)
    check_env(MaskInObservation(env, library), skip_render_check=True)


@pytest.mark.parametrize(
    ("library", "names", "dtype"),
    [
        ("pettingzoo", {"observation", "action_mask"}, np.int8),
        ("rllib", {"observations", "action_mask"}, np.float32),
        ("tianshou", {"obs", "mask"}, np.bool_),
        ("torchrl", {"observation", "action_mask"}, np.bool_),
    ],
)
def test_each_library_finds_the_mask_where_it_looks(
    library: str, names: set[str], dtype: type, even_user: EvenUser
) -> None:
    env = MaskInObservation(gym.make(ID, simulator=even_user), library)
    observation, info = env.reset(options={"user_id": "ann"})
    assert set(observation) == names
    (mask_name,) = names & {"mask", "action_mask"}
    assert observation[mask_name].dtype == dtype
    assert observation[mask_name].tolist() == info["action_mask"].tolist() == [0] * 3 + [1] * 9
    assert env.get_wrapper_attr("action_masks")().tolist() == observation[mask_name].tolist()
    after = env.step(5)[0][mask_name]
    assert not after[5]
    assert observation[mask_name][5]  # what was handed out stays


def test_an_agent_that_follows_the_mask_never_shows_a_seen_item(true_user: TrueTasteUser) -> None:
    env = RecordEpisodeStatistics(MaskInObservation(gym.make(ID, simulator=true_user, patience=9)))
    observation, _ = env.reset(seed=3)
    env.action_space.seed(3)
    shown, done = [], False
    while not done:
        action = env.action_space.sample(observation["action_mask"])
        assert not env.unwrapped.rules.seen.has(np.array([action]))[0]
        observation, _, terminated, truncated, _ = env.step(action)
        shown.append(action)
        done = terminated or truncated
    assert len(set(shown)) == len(shown) > 1


def test_the_places_of_candidates_are_masked_alike(true_user: TrueTasteUser) -> None:
    kwargs: dict[str, Any] = {"simulator": true_user, "candidates": 10}
    env = MaskInObservation(gym.make(ID, **kwargs), "torchrl")
    observation, _ = env.reset(seed=0)
    assert observation["action_mask"].shape == (10,)
    envs = VectorMaskInObservation(gym.make_vec(ID, num_envs=2, **kwargs), "torchrl")
    assert envs.reset(seed=0)[0]["action_mask"].shape == (2, 10)
    with pytest.raises(SettingError, match="for Discrete and MultiDiscrete actions"):
        MaskInObservation(gym.make("LLMRec/ItemEmbedding-v0", simulator=true_user))


@pytest.mark.parametrize("autoreset", MODES)
@pytest.mark.parametrize("library", sorted(FORMS))
@pytest.mark.parametrize("observation", KINDS)
def test_each_row_is_the_single_environment(
    autoreset: str, library: str, observation: str, true_user: TrueTasteUser
) -> None:
    kwargs: dict[str, Any] = {
        "simulator": true_user,
        "patience": 2,
        "observation": observation,
        "max_episode_steps": 5,
    }
    actions = np.random.default_rng(0).integers(60, size=(25, 3))
    envs = gym.make_vec(ID, num_envs=3, autoreset=autoreset, **kwargs)
    envs = VectorMaskInObservation(envs, library)
    expected = [
        alone(MaskInObservation(gym.make(ID, **kwargs), library), 7 + row, column, autoreset)
        for row, column in enumerate(actions.T.tolist())
    ]
    observations, _ = envs.reset(seed=7)
    _same(observations, [next(row)[0] for row in expected])
    finals = 0
    for step in actions:
        observations, _, terminated, truncated, infos = envs.step(step)
        assert observations in envs.observation_space
        theirs = [next(row) for row in expected]
        _same(observations, [row[0] for row in theirs])
        for mine, (*_, single) in zip(row_infos(infos, 3), theirs, strict=True):
            assert ("final_obs" in mine) == ("final_obs" in single)
            if "final_obs" in mine:
                finals += 1
                assert data_equivalence(mine["final_obs"], single["final_obs"])
                assert mine["final_obs"] in envs.single_observation_space
        ended = terminated | truncated
        if autoreset == "disabled" and ended.any():
            observations, _ = envs.reset(options={"reset_mask": ended})
            for row in np.flatnonzero(ended):
                assert data_equivalence(row_of(observations, row), next(expected[row])[0])
    assert (finals > 3) == (autoreset == "same_step")


def row_of(observation: Any, row: int) -> Any:
    """One row of an observation, which may be a dictionary within a dictionary."""
    if isinstance(observation, dict):
        return {name: row_of(values, row) for name, values in observation.items()}
    return observation[row]


def _same(observations: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    for row, single in enumerate(rows):
        assert data_equivalence(row_of(observations, row), single, exact=True)


def test_gymnasiums_own_vector_environments_take_it_around_each(true_user: TrueTasteUser) -> None:
    kwargs: dict[str, Any] = {"simulator": true_user, "num_envs": 2}
    theirs = gym.make_vec(ID, vectorization_mode="sync", wrappers=[MaskInObservation], **kwargs)
    ours = VectorMaskInObservation(gym.make_vec(ID, **kwargs))
    assert theirs.observation_space == ours.observation_space
    assert data_equivalence(theirs.reset(seed=1)[0], ours.reset(seed=1)[0])
    with pytest.raises(SettingError, match="MaskInObservation around each"):
        VectorMaskInObservation(gym.make_vec(ID, vectorization_mode="sync", **kwargs))


@pytest.mark.parametrize("vector", [False, True])
def test_who_has_seen_everything_leaves_a_mask_to_draw_from(
    vector: bool, even_user: EvenUser
) -> None:
    """Where every row must act, so that an ended one is sampled too."""
    kwargs: dict[str, Any] = {"simulator": even_user, "patience": 50}
    if vector:
        env: Any = VectorMaskInObservation(gym.make_vec(ID, num_envs=1, **kwargs))
        env.reset(options={"user_id": ["ann"]})
        steps = [env.step(np.array([item])) for item in range(3, 12)]
        masks = [observation["action_mask"][0] for observation, *_ in steps]
    else:
        env = MaskInObservation(gym.make(ID, **kwargs))
        env.reset(options={"user_id": "ann"})
        masks = [env.step(item)[0]["action_mask"] for item in range(3, 12)]
    assert masks[-2].tolist() == [0] * 11 + [1]
    assert masks[-1].all()


def test_it_is_made_again_from_its_spec_and_copied(true_user: TrueTasteUser) -> None:
    env = MaskInObservation(gym.make(ID), "torchrl")
    again = gym.make(env.spec)
    assert again.observation_space == env.observation_space
    observation, _ = env.reset(seed=0)
    first, second = np.flatnonzero(observation["action_mask"])[:2]
    twin = copy.deepcopy(env)
    env.step(first)
    mask = twin.step(second)[0]["action_mask"]
    assert (mask[first], mask[second]) == (True, False)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(SettingError, match=r"library must be one of .*torchrl.*got 'jax'"):
        MaskInObservation(gym.make(ID), "jax")
    with pytest.raises(SettingError, match=r"has no action_masks\(\): it is not one of ours"):
        MaskInObservation(gym.make("CartPole-v1"))
    points = gym.spaces.Box(-1.0, 1.0, (2,))
    with pytest.raises(SettingError, match="for Discrete and MultiDiscrete actions, not for Box"):
        MaskInObservation(gym.wrappers.TransformAction(gym.make(ID), lambda point: 0, points))
    with pytest.raises(SettingError, match="library"):
        VectorMaskInObservation(gym.make_vec(ID, num_envs=2), "jax")
