"""What happens in an episode: pages, options, purchases, what is invalid, splits, renderings."""

from __future__ import annotations

import copy
import html
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded

import llmrec_env
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.catalogue import CatalogueBuilder, Product, ProductCatalogue
from llmrec_env.envs.shop.env import ShopEnv
from llmrec_env.envs.shop.pages import Kind
from llmrec_env.envs.shop.reward import Purchase, Verdict

gym.register_envs(llmrec_env)


def make(catalogue: Any, **settings: Any) -> ShopEnv:
    """An environment without its wrappers."""
    return gym.make("LLMRec/Shop-v0", catalogue=catalogue, **settings).unwrapped


def open_product(env: ShopEnv, row: int) -> None:
    """Search for a product by its name until it is among the hits, and open it."""
    catalogue = env.shop.inventory.catalogue
    _, _, _, _, info = env.step(f"search[{catalogue.names[row]}]")
    wanted = f"click[{catalogue.asin(row).lower()}]"
    while wanted not in info["valid_actions"]:
        _, _, _, _, info = env.step("click[next >]")
        assert info["action_is_valid"], "the product is not among the hits of its own name"
    env.step(wanted)


def test_the_product_of_a_goal_bought_with_its_options_earns_one(
    small_catalogue: ProductCatalogue,
) -> None:
    env = make(small_catalogue, split="all", goals_per_product=1)
    for index in range(0, len(env.goals), 7):
        env.reset(options={"goal": index})
        open_product(env, env.goal.row)
        for value in env.goal.options.values():
            env.step(f"click[{value}]")
        _, reward, terminated, _, info = env.step("click[buy now]")
        assert (reward, terminated, info["success"]) == (1.0, True, True)
        assert set(info["rewards"]) == {"type", "title", "attributes", "options", "price"}


def test_a_second_value_replaces_the_first_and_other_pages_keep_the_choice(
    small_catalogue: ProductCatalogue,
) -> None:
    env = make(small_catalogue)
    env.reset(seed=0)
    open_product(env, env.goal.row)
    name, values = next(iter(small_catalogue.options(env.goal.row).items()))
    env.step(f"click[{values[0]}]")
    env.step(f"click[{values[1]}]")
    env.step("click[description]")
    seen, *_ = env.step("click[< prev]")
    assert env.shopper.session.options == {name: values[1]}
    assert f"[clicked button] {values[1]} [clicked button_]" in seen
    assert f"[button] {values[0]} [button_]" in seen
    seen, *_ = env.step("click[< prev]")
    assert env.shopper.session.options == {}
    asin = small_catalogue.asin(env.goal.row)
    assert f"[clicked button] {asin} [clicked button_]" in seen


@pytest.mark.parametrize(
    "action", ["click[buy now]", "search[]", "click[]", "buy now", "", "search", "click[next >]"]
)
def test_an_invalid_action_changes_nothing_and_is_reported(
    action: str, small_catalogue: ProductCatalogue
) -> None:
    env = make(small_catalogue, invalid_penalty=0.25)
    before, _ = env.reset(seed=3)
    after, reward, terminated, _, info = env.step(action)
    assert (before, reward, terminated) == (after, -0.25, False)
    assert info["action_is_valid"] is False


def test_search_is_invalid_off_the_index_page_and_next_ends_on_the_last(
    small_catalogue: ProductCatalogue,
) -> None:
    env = make(small_catalogue)
    env.reset(seed=0)
    _, _, _, _, info = env.step(info_search(env))
    assert not info["can_search"]
    assert not env.step("search[shoes]")[4]["action_is_valid"]
    pages = 1
    while "click[next >]" in env.step("click[nothing]")[4]["valid_actions"]:
        env.step("click[next >]")
        pages += 1
    assert pages <= 5
    assert not env.step("click[next >]")[4]["action_is_valid"]


def info_search(env: ShopEnv) -> str:
    """The last suggested search: the kind of thing."""
    return env.shopper.choices[-1]


def test_actions_of_the_wrong_type_are_refused(small_catalogue: ProductCatalogue) -> None:
    env = make(small_catalogue)
    with pytest.raises(ResetNeeded):
        env.step("click[buy now]")
    env.reset(seed=0)
    with pytest.raises(InvalidAction, match="text"):
        env.step(3)
    env = make(small_catalogue, action_mode="index")
    env.reset(seed=0)
    for action in (100, -1, 1.5, "click[buy now]"):
        with pytest.raises(InvalidAction):
            env.step(action)
    assert not env.step(99)[4]["action_is_valid"]
    with pytest.raises(SettingError, match="goal"):
        env.reset(options={"goal": 10**9})


def test_the_slate_is_the_valid_actions_and_the_mask_says_how_many(
    small_catalogue: ProductCatalogue,
) -> None:
    env = make(small_catalogue, action_mode="index", observation="features")
    seen, info = env.reset(seed=0)
    text = env.goal.instruction.lower()
    assert info["valid_actions"][0] == f"search[{text}]"
    assert info["valid_actions"][1] == f"search[{text.split(' with ')[0]}]"
    assert info["valid_actions"][2] == f"search[{env.goal.query}]"
    assert info["action_mask"].sum() == 3
    np.testing.assert_array_equal(env.action_masks(), seen["action_mask"].astype(bool))
    rows = seen["actions"].reshape(100, -1)
    assert rows[:3].any(axis=1).all()
    assert not rows[3:].any()


def test_many_values_leave_the_slate_by_what_they_share_with_the_instruction() -> None:
    builder = CatalogueBuilder("test")
    values = tuple(f"shade {n}" for n in range(150))
    for number in range(4):
        builder.add(
            Product(
                asin=f"A{number}",
                name=f"lamp {number}",
                query="lamps",
                options={"color": values},
                attributes=("bright",),
                instruction="Find me bright lamps",
                instruction_attributes=("bright",),
            )
        )
    env = make(builder.build(), split="all", action_mode="index")
    index = next(i for i, goal in enumerate(env.goals) if goal.options == {"color": "shade 149"})
    env.reset(options={"goal": index})
    env.step(0)
    env.step(env.shopper.choices.index(f"click[{env.goal.asin.lower()}]"))
    choices = env.shopper.choices
    assert len(choices) == 100
    assert {"click[shade 149]", "click[buy now]", "click[shade 0]"} <= set(choices)
    assert "click[shade 148]" not in choices
    env.step(choices.index("click[shade 149]"))
    assert env.step(env.shopper.choices.index("click[buy now]"))[1] == 1.0


def test_a_value_that_is_also_a_button_or_stands_twice_can_be_chosen() -> None:
    builder = CatalogueBuilder("test")
    options = {"use": ("buy now", "home"), "place": ("home", "description")}
    for asin in ("A1", "A2", "A3"):
        builder.add(Product(asin, f"thing {asin}", query="things", options=options))
    env = make_with_goals(builder)
    env.reset(seed=0)
    env.step("search[thing]")
    _, _, _, _, info = env.step("click[a1]")
    assert "click[use: buy now]" in info["valid_actions"]
    env.step("click[use: buy now]")
    env.step("click[place: home]")
    assert env.shopper.session.options == {"use": "buy now", "place": "home"}
    env.step("click[home]")
    assert env.shopper.session.options == {"use": "home", "place": "home"}
    env.step("click[description]")
    assert env.shopper.session.page.kind == Kind.DESCRIPTION


def make_with_goals(builder: CatalogueBuilder) -> ShopEnv:
    """A shop of what was built, and one product more that goals can be made from."""
    for number in range(3):
        builder.add(
            Product(
                asin=f"GOAL{number}",
                name="goal",
                attributes=("good",),
                instruction=f"Find me good {number}",
                instruction_attributes=("good",),
            )
        )
    return make(builder.build(), split="all")


def test_texts_of_strangers_are_escaped_in_html_and_quoted_in_urls() -> None:
    nasty = '<script>alert("x")</script> [button] & \x1b[31m'
    builder = CatalogueBuilder("test")
    builder.add(Product("EVIL", nasty, description=nasty, options={"<b>": ("<i>", "a/b")}))
    catalogue_env = make_with_goals(builder)
    catalogue = catalogue_env.shop.inventory.catalogue
    env = make(catalogue, split="all", observation="html")
    env.reset(seed=0)
    assert "<script>" not in env.step("search[script alert]")[0]
    seen = env.step("click[evil]")[0]
    assert "<script>" not in seen
    assert html.escape(nasty) in seen
    assert "<i>" not in env.step("click[<i>]")[0]
    address = make(catalogue, split="all", observation="url")
    address.reset(seed=0)
    address.step("search[script & more]")
    assert address.step("click[evil]")[0] == "/item/EVIL?query=script%20%26%20more"
    shown = make(catalogue, split="all", render_mode="ansi")
    shown.reset(seed=0)
    shown.step("search[script]")
    assert "\x1b" not in (shown.render() or "")


def test_a_rule_of_ones_own_takes_the_place_of_the_shops(small_catalogue: ProductCatalogue) -> None:
    def likes_cheap(goal: Any, purchase: Purchase) -> Verdict:
        return Verdict(1.0 if purchase.price < 1e6 else 0.0, {"cheap": 1.0})

    env = make(small_catalogue, reward=likes_cheap)
    env.reset(seed=0)
    open_product(env, 0)
    _, reward, _, _, info = env.step("click[buy now]")
    assert reward == 1.0
    assert info["rewards"] == {"cheap": 1.0}


def test_environments_share_one_shop_and_the_default_opens(
    small_catalogue: ProductCatalogue,
) -> None:
    one, other = make(None), make(None, observation="dict")
    assert one.shop.inventory is other.shop.inventory
    assert one.shop.pages is other.shop.pages
    assert one.goals is other.goals
    assert gym.spec("LLMRec/Shop-v0").max_episode_steps == 15
    assert copy.deepcopy(small_catalogue) is small_catalogue
    again = pickle.loads(pickle.dumps(small_catalogue))
    assert list(again) == list(small_catalogue)


@pytest.mark.parametrize(("given", "limit"), [(None, 15), (4, 4), (-1, None)])
def test_one_limit_cuts_the_episode_and_counts_the_steps_left(
    given: int | None, limit: int | None, small_catalogue: ProductCatalogue
) -> None:
    env = gym.make(
        "LLMRec/Shop-v0",
        catalogue=small_catalogue,
        max_episode_steps=given,
        observation="features",
        action_mode="index",
    )
    assert env.unwrapped.max_episode_steps == limit
    env.reset(seed=0)
    for step in range(1, 21 if limit is None else limit + 1):
        observation, *_, truncated, _ = env.step(99)
        left = 1.0 if limit is None else 1.0 - step / limit
        assert observation["state"][7] == pytest.approx(left, abs=1e-6)
        assert truncated == (left == 0.0)
