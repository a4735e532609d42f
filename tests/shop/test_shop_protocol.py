"""The protocol of a shop: what it fixes, what it refuses, and what results say of it."""

from __future__ import annotations

import json
import pickle
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest

import llmrec_env
from agents.shop.evaluation import evaluate_shopper
from agents.shop.results import ShopResults
from agents.shop.scripted import FirstHit, Oracle, ScriptedBrowser
from agents.shop.shop_pool import ShopObservation, shop_of
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.envs.language_agents import ShopTools, TextLoop, goal_rows
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.goals import published_order
from llmrec_env.envs.shop.protocol.making import make_protocol
from llmrec_env.envs.shop.protocol.protocol import ShopProtocol, load_protocol, named_protocols
from llmrec_env.envs.shop.reward import Purchase, RepairedReward, Verdict
from llmrec_env.envs.shop.shop import Shop

pytest.importorskip("bm25s")
gym.register_envs(llmrec_env)
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def protocol(small_catalogue: ProductCatalogue) -> ShopProtocol:
    return make_protocol("small", small_catalogue, goals_per_product=3)


def settings(protocol: ShopProtocol, catalogue: Any, split: str = "test") -> dict[str, Any]:
    return protocol.settings(split, catalogue)


def test_the_splits_share_no_product_and_begin_with_as_many_products_as_they_can(
    protocol: ShopProtocol, small_catalogue: ProductCatalogue
) -> None:
    products, texts = {}, {}
    for split in SPLITS:
        goals = Shop(small_catalogue, protocol=protocol, split=split).goals
        asins = [goal.asin for goal in goals]
        products[split] = set(asins)
        assert len(set(asins[: len(products[split])])) == len(products[split])
        assert max(Counter(asins).values()) <= 3
        texts[split] = {goal.instruction.split(", and price")[0] for goal in goals}
    assert not texts["train"] & texts["test"]
    assert not products["train"] & products["test"]
    assert not products["validation"] & (products["train"] | products["test"])
    assert len(products["test"]) > 2 * len(products["validation"])
    everything = Shop(small_catalogue, protocol=protocol, split="all").goals
    assert len(everything) == protocol.n_goals


def test_a_protocol_is_the_same_from_a_file_and_by_another_name(
    protocol: ShopProtocol, tmp_path: Path
) -> None:
    protocol.save(tmp_path / "p.json")
    loaded = load_protocol(tmp_path / "p.json")
    assert loaded == protocol
    assert loaded.to_json() == protocol.to_json()
    assert replace(protocol, name="other", about="else").hash == protocol.hash
    for change in ({"reward": "webshop"}, {"max_episode_steps": 20}, {"goal_seed": 1}):
        assert replace(protocol, **change).hash != protocol.hash
    assert pickle.loads(pickle.dumps(protocol)) == protocol


def test_every_door_takes_it(protocol: ShopProtocol, small_catalogue: ProductCatalogue) -> None:
    own = settings(protocol, small_catalogue)
    env = gym.make("LLMRec/Shop-v0", **own)
    envs = gym.make_vec("LLMRec/Shop-v0", num_envs=2, **own)
    goals = Shop(small_catalogue, protocol=protocol, split="test").goals
    assert env.unwrapped.goals == envs.unwrapped.goals == goals
    for limits in (("max_calls", "max_steps"), ("max_episode_steps", "max_episode_steps")):
        said = [protocol.settings("test", small_catalogue, limit) for limit in limits]
        tools, loop = ShopTools(**said[0]), TextLoop(**said[1])
        assert goals[3].instruction in tools.reset(goal=3)
        assert goals[3].instruction in loop.reset(goal=3)[0]
    assert len(goal_rows(**own)) == len(goals)
    shop = pickle.loads(pickle.dumps(Shop(small_catalogue, protocol=protocol, split="test")))
    assert shop.goals == goals
    assert shop.protocol == protocol


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reward": "webshop"}, "reward='webshop' beside protocol 'small', which has 'repaired'"),
        ({"goals_per_product": 4}, "leave goals_per_product out"),
        ({"goal_seed": 1}, "leave goal_seed out"),
        ({"instructions": "human"}, "leave instructions out"),
        ({"split_by": "goal"}, "leave split_by out"),
        ({"max_episode_steps": 30}, "max_episode_steps=30 beside protocol 'small', which has 15"),
        ({"prompt_tokens": 4000}, "pages of 1024 tokens at most: leave prompt_tokens out"),
        ({"catalogue": 20}, "about another catalogue: 200 products"),
        ({"protocol": "nobodys"}, "no protocol 'nobodys': there are generated"),
        ({"protocol": 3}, "protocol must be a name"),
        ({"protocol": "webshop-products", "catalogue": None}, "pass their folder as catalogue"),
    ],
)
def test_what_is_another_is_refused_in_one_line(
    change: dict[str, Any], message: str, protocol: ShopProtocol, small_catalogue: ProductCatalogue
) -> None:
    with pytest.raises(SettingError, match=message) as refused:
        gym.make("LLMRec/Shop-v0", **{**settings(protocol, small_catalogue), **change})
    assert "\n" not in str(refused.value)


def test_loops_and_tools_have_no_limit_of_their_own_beside_it(
    protocol: ShopProtocol, small_catalogue: ProductCatalogue
) -> None:
    own = {"catalogue": small_catalogue, "protocol": protocol}
    with pytest.raises(SettingError, match="max_steps=30 beside protocol"):
        TextLoop(**own, max_steps=30)
    with pytest.raises(SettingError, match="max_calls=30 beside protocol"):
        ShopTools(**own, max_calls=30)
    with pytest.raises(SettingError, match="max_steps=9 and max_episode_steps=15 are one limit"):
        TextLoop(**settings(protocol, small_catalogue), max_steps=9)
    short = replace(protocol, max_episode_steps=9)
    assert "9 steps" in TextLoop(catalogue=small_catalogue, protocol=short).manual
    with pytest.raises(SettingError, match="max_episode_steps=30 beside protocol"):
        gym.make_vec("LLMRec/Shop-v0", num_envs=2, **own, max_episode_steps=30)


def test_a_default_that_is_named_is_a_setting_too(small_catalogue: ProductCatalogue) -> None:
    published = make_protocol("p", small_catalogue, reward="webshop", split_by="goal", goal_seed=3)
    own = settings(published, small_catalogue)
    for named in ({"reward": "repaired"}, {"split_by": "product"}, {"goal_seed": 0}):
        with pytest.raises(SettingError, match=f"leave {next(iter(named))} out"):
            gym.make("LLMRec/Shop-v0", **own, **named)
    assert Shop.of({"catalogue": 20, "reward": None, "goal_seed": None}).goals


def test_other_goals_are_refused(protocol: ShopProtocol, small_catalogue: ProductCatalogue) -> None:
    other = replace(protocol, goals_sha256="0" * 64)
    with pytest.raises(SettingError, match="its results are not comparable"):
        Shop(small_catalogue, protocol=other, split="test")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"held_out": (0.5, 0.6)}, "leave something to training"),
        ({"held_out": (0.0, 0.3)}, "two shares above 0"),
        ({"split_by": "luck"}, "split_by"),
        ({"instructions": "rewritten.json"}, "instructions"),
        ({"instructions": "human"}, "this catalogue has none"),
        ({"reward": "free"}, "reward"),
        ({"goal_seed": -1}, "goal_seed"),
        ({"name": " "}, "needs a name"),
        ({"catalogue": 2}, "too few for three splits"),
    ],
)
def test_what_cannot_be_a_protocol_is_refused(
    how: dict[str, Any], message: str, small_catalogue: ProductCatalogue
) -> None:
    given = {"name": "bad", "catalogue": small_catalogue, "goals_per_product": 1, **how}
    with pytest.raises(SettingError, match=message):
        make_protocol(**given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"splits": {"train": [0], "validation": [0], "test": [1]}}, "in two of them"),
        ({"splits": {"train": [0], "validation": [], "test": [10**9]}}, "indices of"),
        ({"splits": {"train": [0], "validation": [], "test": []}}, "no test goal"),
        ({"splits": 3}, "no protocol"),
        ({"reward": "free"}, "reward"),
        ({"catalogue": {"generated": 3}}, "no protocol"),
        ({"max_episode_steps": "15"}, "max_episode_steps"),
        ({"extra": 1}, "expected name, about"),
    ],
)
def test_a_damaged_file_is_named(
    change: dict[str, Any], message: str, protocol: ShopProtocol, tmp_path: Path
) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({**protocol.to_json(), **change}))
    with pytest.raises(DataError, match=message) as refused:
        load_protocol(path)
    assert str(path) in str(refused.value)


def test_the_packaged_protocols_of_the_generated_shop_hold() -> None:
    assert {"generated", "generated-paraphrased", "webshop-position", "webshop-products"} == set(
        named_protocols()
    )
    for name in ("generated", "generated-paraphrased"):
        own = load_protocol(name).settings("test")
        assert own["protocol"] == name
        assert json.dumps(own)
        shop = shop_of(own)
        assert shop.protocol == load_protocol(name)
        assert len(shop.goals) > 500


def test_results_carry_protocol_options_and_intervals(
    protocol: ShopProtocol, small_catalogue: ProductCatalogue, tmp_path: Path
) -> None:
    own = settings(protocol, small_catalogue)
    oracle = evaluate_shopper(Oracle(shop_of(own)), own, range(30))
    browser = evaluate_shopper(ScriptedBrowser(), own, range(30))
    assert oracle.origin["hash"] == protocol.hash
    assert oracle.origin["protocol"] == "small"
    assert oracle.options_chosen is not None
    assert browser.options_chosen is not None
    assert oracle.options_chosen.mean == 100.0
    for results in (oracle, browser):
        # a success chose all that was asked for, in the repaired rule
        assert (results.options[results.successes] != 0.0).all()
    mean, low, high = oracle.success_above(browser)
    assert mean == pytest.approx(oracle.success.mean - browser.success.mean)
    assert high - low < oracle.success.high - oracle.success.low + 2 * (
        browser.success.high - browser.success.low
    )
    assert browser.success_above(browser) == (0.0, 0.0, 0.0)
    with pytest.raises(SettingError, match="same goals of the same protocol"):
        oracle.success_above(evaluate_shopper(ScriptedBrowser(), own, range(29)))
    browser.save(tmp_path / "r.json")
    loaded = ShopResults.load(tmp_path / "r.json")
    assert loaded.to_json() == browser.to_json()
    assert loaded.summary()["goals"] == 30
    (tmp_path / "r.json").write_text('{"goals": [0]}')
    with pytest.raises(DataError, match="no results of a shop"):
        ShopResults.load(tmp_path / "r.json")


def test_results_of_another_environment_are_none_of_the_protocol(
    protocol: ShopProtocol, small_catalogue: ProductCatalogue
) -> None:
    own = settings(protocol, small_catalogue)
    for change in ({"max_episode_steps": 9}, {"invalid_penalty": 0.1}):
        with pytest.raises(SettingError, match=r"protocol 'small'.* has"):
            evaluate_shopper(FirstHit(), {**own, **change}, [0])

    class Reader:
        """Buys the first hit of pages that are longer than the protocol's."""

        observation, action_mode = "prompt", "index"
        view: ClassVar = {"prompt_tokens": 4096}

        def act(self, observations: Sequence[ShopObservation], rng: Any = None) -> list[int]:
            return [0 for _ in observations]

    with pytest.raises(SettingError, match="pages of 1024 tokens at most"):
        evaluate_shopper(Reader(), own, [0])

    def half(goal: Any, purchase: Purchase) -> Verdict:
        return Verdict(RepairedReward()(goal, purchase).reward / 2, {})

    train = settings(protocol, small_catalogue, "train")
    results = evaluate_shopper(FirstHit(), {**train, "reward": half}, range(10))
    assert "hash" not in results.origin
    assert results.rewards.max() <= 0.5
    with pytest.raises(SettingError, match="leave reward out"):
        evaluate_shopper(FirstHit(), {**own, "reward": half}, [0])


# the field's own split ----------------------------------------------------------------------------


def test_positions_are_those_of_the_original_shuffle() -> None:
    goals = [f"goal {number}" for number in range(50)]
    shuffled = list(goals)
    random.Random(233).shuffle(shuffled)
    places = published_order(50)
    assert [shuffled[place] for place in places] == goals


def test_the_split_by_position_has_its_first_500_goals_in_test(
    small_catalogue: ProductCatalogue,
) -> None:
    shops = {s: Shop(small_catalogue, split=s, split_by="position") for s in (*SPLITS, "all")}
    places = {split: [goal.position for goal in shop.goals] for split, shop in shops.items()}
    assert sorted(places["test"]) == list(range(500))
    assert sorted(places["validation"]) == list(range(500, 1500))
    assert min(places["train"]) == 1500
    assert len(places["train"]) == len(places["all"]) - 1500
    few = Shop(small_catalogue, split="test", split_by="position", goals_per_product=1)
    assert sorted(np.unique([goal.position for goal in few.goals])) == list(range(len(few.goals)))
    with pytest.raises(SettingError, match="no goal is in it; by position there are"):
        Shop(small_catalogue, split="train", split_by="position", goals_per_product=1)


@pytest.mark.realdata
def test_the_packaged_protocols_of_the_public_files_hold(webshop: ProductCatalogue) -> None:
    shops = {}
    for name in ("webshop-products", "webshop-position"):
        protocol = load_protocol(name)
        shops[name] = Shop.of({"catalogue": webshop, "protocol": name, "split": "test"})
        assert protocol.n_goals == (6910 if name == "webshop-position" else 1763)
    assert [goal.position for goal in shops["webshop-position"].goals] == list(range(500))
