"""Many shoppers: each row is the single environment, and all share one shop."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector.utils import iterate

import llmrec_env
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue

gym.register_envs(llmrec_env)

ID = "LLMRec/Shop-v0"
ROWS = 4
KINDS = [("text_rich", "text"), ("dict", "text"), ("features", "index"), ("url", "index")]


def choose(info: dict[str, Any], rng: np.random.Generator, mode: str) -> Any:
    """A random valid action, and now and then an invalid one."""
    choice = int(rng.integers(len(info["valid_actions"]) + 1))
    if mode == "index":
        return choice
    valid = info["valid_actions"]
    return valid[choice] if choice < len(valid) else "click[nothing]"


def same(one: Any, other: Any) -> bool:
    """Equal observations."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(np.array_equal(one, other))


@pytest.mark.parametrize(("observation", "mode"), KINDS)
@pytest.mark.parametrize("autoreset", ["next_step", "same_step"])
def test_a_row_is_the_single_environment(
    observation: str, mode: str, autoreset: str, small_catalogue: ProductCatalogue
) -> None:
    settings = {"catalogue": small_catalogue, "observation": observation, "action_mode": mode}
    envs = gym.make_vec(ID, ROWS, autoreset=autoreset, max_episode_steps=6, **settings)
    singles = [gym.make(ID, max_episode_steps=6, **settings) for _ in range(ROWS)]
    rngs = [np.random.default_rng(row) for row in range(ROWS)]
    seen, infos = envs.reset(seed=10)
    starts = [env.reset(seed=10 + row) for row, env in enumerate(singles)]
    last = [info for _, info in starts]
    done = [False] * ROWS
    for batched, (single, _) in zip(iterate(envs.observation_space, seen), starts, strict=True):
        assert same(batched, single)
    for _ in range(30):
        actions = [
            choose(last[row], rngs[row], mode) if not done[row] else 0 for row in range(ROWS)
        ]
        given = np.array(actions) if mode == "index" else [str(action) for action in actions]
        seen, rewards, terminated, truncated, infos = envs.step(given)
        rows = list(iterate(envs.observation_space, seen))
        for row, env in enumerate(singles):
            if done[row]:  # autoreset="next_step": this step only began an episode
                single, last[row] = env.reset()
                done[row] = False
                assert rewards[row] == 0.0
            else:
                single, reward, ended, cut, last[row] = env.step(actions[row])
                assert (rewards[row], terminated[row], truncated[row]) == (reward, ended, cut)
                done[row] = ended or cut
                if done[row] and autoreset == "same_step":
                    final = list(iterate(envs.observation_space, infos["final_obs"]))[row]
                    assert same(final, single)
                    assert infos["final_info"]["success"][row] == last[row]["success"]
                    single, last[row] = env.reset()
                    done[row] = False
            assert same(rows[row], single)
            assert infos["valid_actions"][row] == last[row]["valid_actions"]
            assert infos["goal_index"][row] == last[row]["goal_index"]
            assert infos["action_is_valid"][row] == last[row]["action_is_valid"]


def test_the_terms_of_a_purchase_come_with_their_masks(small_catalogue: ProductCatalogue) -> None:
    envs = gym.make_vec(ID, 2, catalogue=small_catalogue)
    _, infos = envs.reset(seed=0, options={"goal": [0, None]})
    assert infos["goal_index"][0] == 0
    assert infos["_instruction"].all()
    envs.step([actions[0] for actions in infos["valid_actions"]])
    _, _, _, _, infos = envs.step(["click[back to search]", "click[next >]"])
    _, _, _, _, infos = envs.step([infos["valid_actions"][0][2], infos["valid_actions"][1][-1]])
    _, rewards, terminated, _, infos = envs.step(["click[nothing]", "click[buy now]"])
    assert terminated.tolist() == [False, True]
    assert infos["rewards"]["_price"].tolist() == [False, True]
    assert infos["rewards"]["type"][1] in (0.0, 0.1, 0.5, 1.0)
    assert 0.0 <= rewards[1] <= 1.0
    assert infos["action_is_valid"].tolist() == [False, True]


def test_rows_that_ended_wait_for_a_mask_where_autoreset_is_disabled(
    small_catalogue: ProductCatalogue,
) -> None:
    envs = gym.make_vec(ID, 2, catalogue=small_catalogue, autoreset="disabled", max_episode_steps=1)
    with pytest.raises(ResetNeeded):
        envs.step(["", ""])
    envs.reset(seed=0)
    _, _, _, truncated, _ = envs.step(["search[a]", "search[b]"])
    assert truncated.all()
    with pytest.raises(ResetNeeded, match="reset_mask"):
        envs.step(["", ""])
    _, infos = envs.reset(options={"reset_mask": np.array([True, False])})
    assert infos["_goal_index"].tolist() == [True, False]
    with pytest.raises(SettingError, match="goal"):
        envs.reset(options={"goal": [0, -1]})
    with pytest.raises(InvalidAction):
        gym_with_reset(small_catalogue).step("ab")


def gym_with_reset(catalogue: ProductCatalogue) -> gym.vector.VectorEnv:
    """Two rows that were reset."""
    envs = gym.make_vec(ID, 2, catalogue=catalogue)
    envs.reset(seed=0)
    return envs


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_gymnasiums_own_vector_forms_hold_it_too(
    mode: str, small_catalogue: ProductCatalogue
) -> None:
    envs = gym.make_vec(
        ID,
        2,
        vectorization_mode=mode,
        catalogue=small_catalogue,
        observation="features",
        action_mode="index",
    )
    seen, _ = envs.reset(seed=0)
    own, _ = gym.make_vec(
        ID, 2, catalogue=small_catalogue, observation="features", action_mode="index"
    ).reset(seed=0)
    assert same(dict(seen), dict(own))
    envs.step(np.zeros(2, dtype=np.int64))
    envs.close()


def test_all_rows_share_one_shop(small_catalogue: ProductCatalogue) -> None:
    envs = gym.make_vec(ID, 3, catalogue=small_catalogue)
    one = gym.make(ID, catalogue=small_catalogue, split="test").unwrapped
    assert {id(shopper.shop.pages) for shopper in envs.shoppers} == {id(one.shop.pages)}
    assert envs.np_random_seed == tuple(envs._seeds)
