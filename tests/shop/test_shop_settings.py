"""What the Shop ids refuse, in one line each: settings, goals and rules of one's own."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import llmrec_env
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.catalogue import Product, ProductCatalogue, generate_catalogue
from llmrec_env.envs.shop.goals import Goal, GoalSet
from llmrec_env.envs.shop.reward import Purchase, RepairedReward, Verdict
from llmrec_env.envs.shop.shop import Shop

gym.register_envs(llmrec_env)

NO_WHOLE_NUMBERS: list[Any] = [-1, 1.5, 1.0, "x", "1", True, None, math.nan, math.inf, [1]]
BAD: dict[str, list[Any]] = {
    "goal_seed": [value for value in NO_WHOLE_NUMBERS if value is not None],
    "goals_per_product": [0, *(value for value in NO_WHOLE_NUMBERS if value is not None)],
    "max_actions": [0, 19, 10**12, *NO_WHOLE_NUMBERS],
    "invalid_penalty": [-0.1, math.nan, math.inf, -math.inf, "x", "0.1", None, True, [0.1]],
    "instructions": ["other", 1, ["synthetic"], []],
    "reward": ["other", 1, ["webshop"], RepairedReward],
    "split": ["other", 1, None, ["train"], {}],
    "split_by": ["other", 1, ["goal"], {}],
    "observation": ["other", 1, None, ["text"], {}],
    "action_mode": ["other", 1, None, ["text"], True],
    "catalogue": [0, -1, 1.5, True, "", [3], math.nan, "s3://bucket/shop", "file:///tmp"],
}
CASES = [(name, value) for name, values in BAD.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{n}={v!r:.20}" for n, v in CASES])
def test_a_setting_that_is_none_is_refused_in_one_line(
    name: str, value: Any, small_catalogue: ProductCatalogue
) -> None:
    settings = {"catalogue": small_catalogue, "observation": "text", name: value}
    for make in (gym.make, gym.make_vec):
        with pytest.raises(SettingError) as refused:
            make("LLMRec/Shop-v0", **settings)
        message = str(refused.value)
        assert name in message or (name == "catalogue" and "n_products" in message)
        assert "\n" not in message
        assert len(message) < 300


def test_whole_numbers_of_numpy_are_whole_numbers(small_catalogue: ProductCatalogue) -> None:
    numbers = {
        "goal_seed": np.int64(3),
        "goals_per_product": np.int32(2),
        "max_actions": np.int8(50),
    }
    env = gym.make("LLMRec/Shop-v0", catalogue=small_catalogue, **numbers).unwrapped
    assert env.goals is Shop(small_catalogue, goal_seed=3, goals_per_product=2).goals
    penalty = gym.make("LLMRec/Shop-v0", catalogue=np.int64(20), invalid_penalty=np.float32(0.5))
    penalty.reset(seed=0)
    assert penalty.step("click[nothing]")[1] == -0.5


def test_an_invalid_action_without_penalty_earns_0_and_not_minus_0(
    small_catalogue: ProductCatalogue,
) -> None:
    env = gym.make("LLMRec/Shop-v0", catalogue=small_catalogue)
    env.reset(seed=0)
    assert math.copysign(1.0, env.step("click[nothing]")[1]) == 1.0
    envs = gym.make_vec("LLMRec/Shop-v0", num_envs=2, catalogue=small_catalogue)
    envs.reset(seed=0)
    assert not np.signbit(envs.step(["click[nothing]", "no action"])[1]).any()


@pytest.mark.parametrize("index", [-1, 10**9, 1.0, True, "1", [1]])
def test_a_reset_refuses_a_goal_that_is_none(index: Any, small_catalogue: ProductCatalogue) -> None:
    env = gym.make("LLMRec/Shop-v0", catalogue=small_catalogue)
    with pytest.raises(SettingError, match="goal"):
        env.reset(options={"goal": index})


# goals of one's own -------------------------------------------------------------------------------

WRONG_GOALS: list[dict[str, Any]] = [
    {"row": 10**6},
    {"row": -1},
    {"row": 1.0},
    {"asin": "OTHER"},
    {"asin": None},
    {"instruction": " "},
    {"instruction": None},
    {"query": 3},
    {"options": ["red"]},
    {"options": {"color": 3}},
    {"options": (3,)},
    {"attributes": "long lasting"},
    {"attributes": (3,)},
    {"weight": math.nan},
    {"weight": -1.0},
    {"weight": math.inf},
    {"weight": 0.0},
    {"price_upper": math.nan},
    {"price_upper": "10"},
    {"price_lower": 20.0, "price_upper": 10.0},
    {"rating_lower": math.nan},
]


@pytest.mark.parametrize("parts", WRONG_GOALS, ids=str)
def test_a_goal_of_ones_own_that_cannot_be_is_refused(
    parts: dict[str, Any], small_catalogue: ProductCatalogue
) -> None:
    goal = Shop(small_catalogue, goals_per_product=1).goals[0]
    assert Shop(small_catalogue, GoalSet([goal]), split="all").goals == [goal]
    wrong = GoalSet([dataclasses.replace(goal, **parts)])
    with pytest.raises(SettingError, match="this GoalSet") as refused:
        Shop(small_catalogue, wrong, split="all")
    assert "\n" not in str(refused.value)


def test_goals_of_another_catalogue_are_refused(small_catalogue: ProductCatalogue) -> None:
    goals = Shop(small_catalogue, goals_per_product=1).goal_set
    other = generate_catalogue(200, seed=1)
    assert other.asin(5) == small_catalogue.asin(5)  # generated ids are the rows'
    with pytest.raises(SettingError, match="goals from the catalogue"):
        Shop(other, goals, split="all")
    shifted = [dataclasses.replace(goal, row=goal.row - 1) for goal in goals.goals if goal.row]
    with pytest.raises(SettingError, match="goals from the catalogue"):
        Shop(small_catalogue, GoalSet(shifted), split="all")


# rules of one's own -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [0.5, None, Verdict(math.nan, {}), Verdict(-0.5, {}), Verdict(7.0, {}), Verdict("1", {})],  # type: ignore[arg-type]
)
def test_a_rule_that_gives_no_verdict_is_refused_when_it_speaks(
    said: Any, small_catalogue: ProductCatalogue
) -> None:
    def rule(goal: Goal, purchase: Purchase) -> Any:
        return said

    env = gym.make("LLMRec/Shop-v0", catalogue=small_catalogue, reward=rule)
    _, info = env.reset(seed=0)
    _, _, _, _, info = env.step(info["valid_actions"][-1])
    env.step(next(action for action in info["valid_actions"] if action.startswith("click[g")))
    with pytest.raises(SettingError, match="Verdict"):
        env.step("click[buy now]")


def test_a_goal_without_a_limit_has_none(small_catalogue: ProductCatalogue) -> None:
    dear = dataclasses.replace(small_catalogue[0], price_low=2e6, price_high=2e6)
    goal = Shop(small_catalogue, goals_per_product=1, split="all").goals[0]
    goal = dataclasses.replace(goal, price_upper=1e6)
    assert RepairedReward()(goal, Purchase(dear, {}, dear.price_high)).parts["price"] == 1.0
    assert isinstance(dear, Product)
