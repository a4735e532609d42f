"""The repaired rule demands the kind of thing that was asked for, in either catalogue."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from llmrec_env.envs.shop.catalogue import Product, ProductCatalogue
from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.kinds import is_kind
from llmrec_env.envs.shop.reward import PublishedReward, Purchase, RepairedReward
from llmrec_env.envs.shop.shop import Shop

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
CLOTHES = "Clothing, Shoes & Jewelry"


def product(query: str, path: str, name: str = "a thing", asin: str = "B1") -> Product:
    """One whose attributes and options are like those of all the others."""
    options = {"color": ("green", "red"), "size": ("x-small", "large")}
    return Product(
        asin, name, query=query, product_category=path, options=options, attributes=("imported",)
    )


def goal_for(one: Product) -> Goal:
    """A goal that was made from a product."""
    options = {"color": "green", "size": "x-small"}
    return Goal("A1", 0, one.name, "", one.query, one.product_category, "", ("imported",), options)


def earned(goal: Goal, bought: Product) -> float:
    """What buying it earns with the right options, at a price within the limit."""
    return RepairedReward()(goal, Purchase(bought, dict(goal.options), 10.0)).reward


JACKETS = product("women's jackets", f"{CLOTHES} › Women › Clothing › Coats", "Zephyra Jackets")


@pytest.mark.parametrize(
    ("query", "path", "name"),
    [
        ("men's shorts", f"{CLOTHES} › Men › Clothing › Shorts", "Zephyra Jackets"),
        ("women's coats", f"{CLOTHES} › Women › Clothing › Coats", "Zephyra Jackets"),
        ("women's jackets", f"{CLOTHES} › Men › Clothing › Coats", "Zephyra Jackets"),
        ("women's jackets", f"{CLOTHES} › Women › Clothing", "Zephyra Jackets"),
        ("men's jackets", "", "Zephyra Jackets"),
    ],
)
def test_another_kind_of_thing_earns_half_at_most(query: str, path: str, name: str) -> None:
    goal, bought = goal_for(JACKETS), product(query, path, name)
    assert earned(goal, bought) <= 0.5
    # the published rule is as it was
    assert PublishedReward()(goal, Purchase(bought, dict(goal.options), 10.0)).reward == 1.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("cookies", "Food › Cookies"), ("Cookies ", "food ›  Cookies"), True),
        (("men's shorts", "Men › Shorts"), ("men's shorts", "Men › Active › Active Shorts"), True),
        (("men's shorts", "Men › Shorts"), ("men's shorts", "Women › Shorts"), False),
        (("men's shorts", "Men › Shorts"), ("men's shorts", "Men › Sleep Bottoms"), False),
        (("vcrs", "Video › Remotes"), ("vcrs", "Video › Remotes"), True),
        (("vcrs", "Video › Remotes"), ("vcrs", "Video › Cables"), False),
        (("vcrs", "Video › Remotes"), ("radios", "Video › Remotes"), False),
        (("dresses", ""), ("dresses", "Women › Dresses"), None),
        (("", "Women › Dresses"), ("", "Women › Dresses"), True),
        (("", "Women › Dresses"), ("", "Women › Dresses › Formal"), False),
        (("and", "Men › Shorts"), ("and", "Women › Dresses"), False),
    ],
)
def test_query_and_category_tell_the_kind(
    one: tuple[str, str], other: tuple[str, str], same: bool | None
) -> None:
    assert is_kind(goal_for(product(*one)), product(*other)) is same


def test_where_nothing_tells_the_kind_the_title_does_or_the_product_is_the_goals_own() -> None:
    goal = goal_for(product("", "", "a green jacket"))
    assert earned(goal, product("", "", "a warm green jacket")) == 1.0
    assert earned(goal, product("", "", "shorts")) == 0.0
    long = goal_for(product("", "", "green jacket with hood and zip for cold days outside"))
    assert 0.0 < earned(long, product("", "", "shorts for hot days")) <= 0.5
    assert earned(goal_for(product("", "", "12")), product("", "", "12", asin="A1")) == 1.0


def test_the_same_kind_of_thing_earns_1_whatever_its_title() -> None:
    other = dataclasses.replace(JACKETS, asin="B2", name="Something warm")
    assert earned(goal_for(JACKETS), other) == 1.0


@pytest.fixture
def shop_kinds(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """The benchmark."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "shop_kinds", raising=False)
    import shop_kinds

    return shop_kinds


def test_no_product_of_another_kind_earns_1_in_the_generated_shop(
    shop_kinds, small_catalogue: ProductCatalogue
) -> None:
    shop = Shop(small_catalogue, split="all", goals_per_product=3)
    found = list(shop_kinds.pairs(shop, list(range(len(shop.goals)))))
    rows = {row["kind"]: row for row in shop_kinds.count(found, len(shop.goals))}
    for kind in ("another query", "another category path", "another query and path"):
        assert rows[kind]["published_pairs"] > 100
        assert rows[kind]["repaired_pairs"] == 0
    assert rows["any product but the goal's"]["repaired_pairs"] > 10


@pytest.mark.realdata
def test_no_product_of_another_query_earns_1_in_the_public_shop(
    shop_kinds, webshop: ProductCatalogue
) -> None:
    shop = Shop(webshop, split="all", goals_per_product=1)
    numbers = list(range(0, len(shop.goals), 2))
    found = list(shop_kinds.pairs(shop, numbers))
    rows = {row["kind"]: row for row in shop_kinds.count(found, len(numbers))}
    assert rows["another query"]["published_pairs"] > 10
    assert rows["another query"]["repaired_pairs"] == 0
    # what is left names the query in both paths, or has no path
    assert rows["another category path"]["repaired_goals"] < 2.5
