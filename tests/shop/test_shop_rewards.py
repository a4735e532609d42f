"""The repaired rule: what passes, what does not; goals and limits; other words."""

from __future__ import annotations

import dataclasses

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmrec_env
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.catalogue import CatalogueBuilder, Product, ProductCatalogue
from llmrec_env.envs.shop.catalogue.departments import DEPARTMENTS, OPTIONS
from llmrec_env.envs.shop.env import ShopEnv
from llmrec_env.envs.shop.goals import NO_LIMIT, Goal, Options, draw_limits, draw_prices
from llmrec_env.envs.shop.reward import PublishedReward, Purchase, RepairedReward, Verdict
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.words import COLOURS, colour_words, first_colour_within

gym.register_envs(llmrec_env)

SHIRT = Product(
    asin="A1",
    name="Blue rectangular shirt",
    bullets=("Long lasting cloth",),
    query="shirts",
    product_category="Fashion › Shirts",
    rating=4.2,
    options={
        "size": ("large", "x-large", "rectangular", "++"),
        "color": ("light blue", "dark blue", "navy 2"),
    },
    attributes=("machine wash",),
)


def goal(options: Options, *attributes: str, **parts: float) -> Goal:
    """A goal for the shirt."""
    return Goal(
        "A1", 0, SHIRT.name, "", "shirts", SHIRT.product_category, "", attributes, options, **parts
    )


def judge(wanted: Goal, chosen: dict[str, str], price: float = 10.0) -> Verdict:
    """What the repaired rule says."""
    return RepairedReward()(wanted, Purchase(SHIRT, chosen, price))


@pytest.mark.parametrize(
    ("wanted", "chosen", "counts"),
    [
        ({"size": "large"}, {"size": "large"}, True),
        ({"size": "large"}, {"size": "x-large"}, False),
        ({"size": "rectangular"}, {"size": "rectangular"}, True),
        ({"size": "++"}, {"size": "++"}, True),
        ({"size": "--"}, {"size": "++"}, False),
        ({"color": "light blue"}, {"color": "dark blue"}, False),
        ({"color": "navy"}, {"color": "navy 2"}, True),
        ({"color": "red"}, {"color": "navy 2"}, False),
        ({"color": "large"}, {"size": "large"}, False),
        (("large",), {"size": "large"}, True),
        (("large", "navy"), {"size": "large", "color": "navy 2"}, True),
        (("large",), {"size": "x-large"}, False),
        ({"size": "large"}, {}, False),
    ],
)
def test_options_count_as_whole_values_and_colours_as_words(
    wanted: Options, chosen: dict[str, str], counts: bool
) -> None:
    assert (judge(goal(wanted), chosen).parts["options"] == 1.0) is counts


def test_the_published_rule_passes_what_the_repaired_one_does_not() -> None:
    wrong = Purchase(SHIRT, {"size": "x-large"}, 10.0)
    assert PublishedReward()(goal(("large",)), wrong).reward == 1.0
    assert RepairedReward()(goal(("large",)), wrong).reward == 0.5
    right = Purchase(SHIRT, {"size": "rectangular"}, 10.0)
    assert PublishedReward()(goal({"size": "rectangular"}), right).reward < 1.0
    assert first_colour_within("rectangular") == "tan"
    assert colour_words("rectangular") == frozenset()
    assert list(COLOURS) == sorted(COLOURS)


def test_attributes_are_listed_or_stand_in_the_texts_as_whole_words() -> None:
    for attribute, counts in {
        "machine wash": 1.0,
        "long lasting": 1.0,
        "long last": 0.0,
        "angular": 0.0,
        "shirt long": 0.0,
    }.items():
        assert judge(goal({}, attribute), {}).parts["attributes"] == counts, attribute


def test_limits_and_the_kind_of_thing() -> None:
    limited = goal({}, price_upper=20.0, price_lower=5.0, rating_lower=4.0)
    assert judge(limited, {}, 10.0).reward == 1.0
    assert judge(limited, {}, 4.0).parts["price"] == judge(limited, {}, 21.0).parts["price"] == 0.0
    assert judge(dataclasses.replace(limited, rating_lower=4.5), {}).reward == 0.5
    other = dataclasses.replace(limited, name="iron kettle", query="kettles", product_category="")
    assert judge(other, {}).reward == 0.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.01, 2000.0), min_size=1, max_size=50), st.integers(0, 2**31))
def test_limits_lie_above_the_price_within_four_steps(prices: list[float], seed: int) -> None:
    limits = draw_limits(np.array(prices), seed, "limits")
    for price, limit in zip(prices, limits.tolist(), strict=True):
        if price >= 980.0:
            assert limit == NO_LIMIT
        else:
            assert price < limit <= min(990.0, 10.0 * (price // 10.0 + 4))
            assert limit % 10.0 == 0.0
            assert limit >= 10.0 * (price // 10.0 + 2)


def test_prices_are_the_seeds_and_lie_in_their_range(small_catalogue: ProductCatalogue) -> None:
    one, again, other = (draw_prices(small_catalogue, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert ((small_catalogue.price_low <= one) & (one <= small_catalogue.price_high)).all()


def test_other_goal_seeds_make_other_splits(small_catalogue: ProductCatalogue) -> None:
    asins = [{g.asin for g in Shop(small_catalogue, goal_seed=s).goals} for s in (0, 1)]
    assert asins[0] != asins[1]


# other words -------------------------------------------------------------------------------------


def copying_rule(env: ShopEnv) -> float:
    """Search for the whole instruction, open the first hit, choose what is copied, buy."""
    env.step(env.shopper.choices[0])
    env.step(next(action for action in env.shopper.choices if action.startswith("click[g")))
    product = env.shopper.session.page.product
    assert product is not None
    text = env.goal.instruction.lower()
    for values in product.options.values():
        copied = [value for value in values if value in text]
        if copied:
            env.step(f"click[{max(copied, key=len)}]")
    return env.step("click[buy now]")[1]


def oracle(env: ShopEnv) -> float:
    """Search for the title of the product in mind, open it where it is found, choose, buy."""
    env.step(f"search[{env.goal.name}]")
    wanted = f"click[{env.goal.asin.lower()}]"
    while wanted not in env.shopper.choices and "click[next >]" in env.shopper.choices:
        env.step("click[next >]")
    if wanted not in env.shopper.choices:
        return 0.0
    env.step(wanted)
    assert isinstance(env.goal.options, dict)
    for value in env.goal.options.values():
        env.step(f"click[{value}]")
    return env.step("click[buy now]")[1]


def test_paraphrased_goals_are_reached_by_the_oracle_and_not_by_copying() -> None:
    env = gym.make(
        "LLMRec/Shop-v0", instructions="paraphrased", split="test", goals_per_product=5
    ).unwrapped
    rewards = {copying_rule: [], oracle: []}
    for index in range(0, len(env.goals), max(1, len(env.goals) // 200)):
        for rule, earned in rewards.items():
            env.reset(options={"goal": index})
            earned.append(rule(env) == 1.0)
    assert len(rewards[oracle]) >= 200
    assert np.mean(rewards[copying_rule]) < 0.2
    assert np.mean(rewards[oracle]) > 0.9


def test_a_paraphrase_names_neither_option_nor_attribute_but_a_distractor() -> None:
    goals = Shop(instructions="paraphrased", split="all", goals_per_product=2).goals
    values = {value for _, table in OPTIONS.values() for value in table}
    attributes = {attribute for d in DEPARTMENTS for attribute in d.attributes}
    distracted = 0
    for wanted in goals[:500]:
        text = wanted.instruction.lower().replace(wanted.query, "")
        assert isinstance(wanted.options, dict)
        assert not any(f"one in {value}" in text for value in wanted.options.values())
        assert not any(attribute in text for attribute in wanted.attributes), wanted
        distracted += any(f"one in {value}" in text for value in values)
        assert wanted.price_lower < wanted.price_upper
    assert distracted > 400
    assert attributes


def test_paraphrases_are_for_generated_catalogues() -> None:
    builder = CatalogueBuilder("items.json")
    builder.add(SHIRT)
    with pytest.raises(SettingError, match="generated"):
        Shop(builder.build(), instructions="paraphrased", split="all")
    with pytest.raises(SettingError, match="items_human_ins"):
        Shop(builder.build(), instructions="human", split="all")
