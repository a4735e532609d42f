"""The public 1,000 products: goals, rewards and rankings against the original program's."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.goals import Goal, draw_prices, human_goals, synthetic_goals
from llmrec_env.envs.shop.reward import PublishedReward, Purchase, RepairedReward, reachable
from llmrec_env.envs.shop.search.engine import build_search, document
from llmrec_env.envs.shop.shop import Shop

pytestmark = pytest.mark.realdata


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def goal_of(told: dict[str, Any]) -> Goal:
    """A goal as the original program wrote it."""
    options = told["goal_options"]
    return Goal(
        asin=told["asin"],
        row=0,
        name=told["name"],
        category=told["category"],
        query=told["query"],
        product_category=told["product_category"],
        instruction=told["instruction_text"],
        attributes=tuple(told["attributes"]),
        options=options if isinstance(options, dict) else tuple(options),
        price_upper=told["price_upper"],
        weight=told["weight"],
    )


def test_the_products_read_as_the_original_reads_them(
    webshop: ProductCatalogue, webshop_files: Path
) -> None:
    assert len(webshop) == 1000
    assert len(webshop.queries()) == 246
    departments = [product.category for product in webshop]
    counts = {name: departments.count(name) for name in set(departments)}
    assert counts == {
        "beauty": 238,
        "electronics": 229,
        "garden": 216,
        "fashion": 200,
        "grocery": 117,
    }
    for told in lines(webshop_files / "documents_1k.jsonl"):
        assert document(webshop[webshop.row(told["id"])]) == told["contents"]


def test_there_are_6910_synthetic_goals_over_415_products(webshop: ProductCatalogue) -> None:
    goals = synthetic_goals(webshop, draw_prices(webshop, 0), 0)
    assert len(goals) == 6910
    assert len({goal.asin for goal in goals}) == 415
    assert len(Shop(webshop, reward="webshop", split="all").goals) == 6910
    assert len(human_goals(webshop, draw_prices(webshop, 0))) == len(webshop.human) > 0


def test_goals_are_the_same_in_every_process_for_one_seed(
    webshop: ProductCatalogue, webshop_files: Path
) -> None:
    code = (
        "import sys, hashlib\n"
        "from llmrec_env.envs.shop.catalogue.webshop_files import *\n"
        "from llmrec_env.envs.shop.goals import *\n"
        "shop = read_webshop(*find_webshop_files(sys.argv[1]))\n"
        "goals = synthetic_goals(shop, draw_prices(shop, 7), 7)\n"
        "print(hashlib.sha256(repr(goals).encode()).hexdigest())"
    )
    command = [sys.executable, "-c", code, str(webshop_files)]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    goals = synthetic_goals(webshop, draw_prices(webshop, 7), 7)
    assert other == hashlib.sha256(repr(goals).encode()).hexdigest()


def test_every_golden_reward_is_reproduced_part_by_part(
    webshop: ProductCatalogue, webshop_files: Path
) -> None:
    cases = lines(webshop_files / "golden_rewards.jsonl")
    assert len(cases) == 200
    for case in cases:
        goal, product = goal_of(case["goal"]), webshop[webshop.row(case["asin"])]
        nouns = {goal.name: case["goal_nouns"], product.name: case["product_nouns"]}
        verdict = PublishedReward(nouns.__getitem__)(
            goal, Purchase(product, case["options"], case["price"])
        )
        told = case["info"]
        assert verdict.reward == pytest.approx(case["reward"], abs=1e-12)
        assert verdict.parts["type"] == told["r_type"]
        assert verdict.parts["title"] == pytest.approx(told["title_score"])
        assert verdict.parts["attributes"] == pytest.approx(told["r_att"])
        assert verdict.parts["price"] == told["r_price"]
        if told.get("r_option") is not None:
            assert verdict.parts["options"] == pytest.approx(told["r_option"])


def test_the_first_ten_hits_are_the_originals(
    webshop: ProductCatalogue, webshop_files: Path
) -> None:
    engine = build_search(webshop)
    rankings = lines(webshop_files / "original_rankings.jsonl")
    assert len(rankings) == 215
    overlaps = []
    for told in rankings:
        ours = {webshop.asin(int(row)) for row in engine.search(told["query"])[:10]}
        theirs = set(told["asins"][:10])
        overlaps.append(len(ours & theirs) / len(theirs))
    assert np.mean(overlaps) >= 0.95


def test_every_goal_can_be_reached_by_the_repaired_rule_and_not_by_the_published(
    webshop: ProductCatalogue,
) -> None:
    shop = Shop(webshop, split="all")
    assert len(shop.goals) == 6910
    published, repaired = PublishedReward(), RepairedReward()
    sample = shop.goals[::10]
    products = {goal.row: webshop[goal.row] for goal in sample}
    share = {
        rule: np.mean([reachable(g, products[g.row], shop.prices[g.row], rule) for g in sample])
        for rule in (published, repaired)
    }
    assert share[repaired] == 1.0
    assert 0.9 < share[published] < 0.98


def test_human_goals_can_be_shopped_for(webshop: ProductCatalogue) -> None:
    shop = Shop(webshop, instructions="human", split="all")
    assert len(shop.goals) == 13
    assert all(isinstance(goal.options, tuple) for goal in shop.goals)


@pytest.mark.parametrize("by", ["goal", "product"])
def test_splits_share_nothing(by: str, webshop: ProductCatalogue) -> None:
    shops = [
        Shop(webshop, split=split, split_by=by, goals_per_product=30)
        for split in ("train", "validation", "test")
    ]
    for one in shops:
        for other in shops[: shops.index(one)]:
            texts = [{g.instruction.lower() for g in shop.goals} for shop in (one, other)]
            asins = [{g.asin for g in shop.goals} for shop in (one, other)]
            assert not texts[0] & texts[1]
            assert by == "goal" or not asins[0] & asins[1]
    per_product = [g.asin for g in shops[0].goals]
    assert max(per_product.count(asin) for asin in set(per_product)) <= 30
