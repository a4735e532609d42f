"""Instructions of people: their published order, its splits, and files that are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import llmrec_env
from agents.shop.human_files import in_published_split, read_trajectories
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.envs.shop.catalogue import find_webshop_files, read_webshop
from llmrec_env.envs.shop.catalogue.human_list import HumanList
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.protocol.making import make_protocol
from llmrec_env.envs.shop.shop import Shop

pytest.importorskip("bm25s")
pytest.importorskip("ijson")
gym.register_envs(llmrec_env)
N = 1600
Write = Callable[..., Path]


def record(number: int) -> dict[str, Any]:
    return {
        "asin": f"B{number}",
        "name": f"Lamp {number}",
        "pricing": "$15.00",
        "query": "lamps",
        "product_category": "Home › Lamps",
        "customization_options": {"Color": [{"value": "Red"}, {"value": "Blue"}]},
    }


def wish(number: int) -> dict[str, Any]:
    return {
        "instruction": f"I'd like lamp number {number}.",
        "instruction_attributes": ["bright"],
        "instruction_options": ["red"],
    }


@pytest.fixture
def files(tmp_path: Path) -> Write:
    """Write the public files of three products, whose instructions stand at these places."""

    def write(places: tuple[int, ...] = (3, 700, 1599), **others: Any) -> Path:
        asins = [f"B{place}" for place in places]
        order = [f"id like lamp number {number}" for number in range(N)]
        contents: dict[str, Any] = {
            "items_shuffle_3.json": [record(place) for place in places],
            "items_ins_v2_3.json": {asin: {"attributes": ["bright"]} for asin in asins},
            "items_human_ins.json": {f"B{place}": [wish(place)] for place in places},
            "human_goals.json": order,
            **{f"{name}.json": value for name, value in others.items()},
        }
        for name, content in contents.items():
            if content is not None:
                (tmp_path / name).write_text(json.dumps(content))
        return tmp_path

    return write


def test_each_split_has_the_instructions_at_its_places(files: Write) -> None:
    for split, place in (("test", 3), ("validation", 700), ("train", 1599)):
        env = gym.make(
            "LLMRec/Shop-v0",
            catalogue=files(),
            instructions="human",
            split_by="position",
            split=split,
        )
        (goal,) = env.unwrapped.goals
        assert (goal.position, goal.asin) == (place, f"B{place}")
        _, info = env.reset(seed=0)
        assert info["instruction"].startswith(f"I'd like lamp number {place}, and price lower than")


def test_a_protocol_may_be_of_people_s_instructions(files: Write) -> None:
    how = {"instructions": "human", "split_by": "position", "goals_per_product": None}
    protocol = make_protocol("people", files(), **how)
    assert protocol.splits == {"train": (2,), "validation": (1,), "test": (0,)}
    shop = Shop.of({"catalogue": files(), "protocol": protocol, "split": "test"})
    assert [goal.position for goal in shop.goals] == [3]


def test_the_order_is_kept_with_a_saved_catalogue(files: Write, tmp_path: Path) -> None:
    read_webshop(*find_webshop_files(files())).save(tmp_path / "saved")
    opened = ProductCatalogue.open(tmp_path / "saved")
    assert [human.position for human in opened.human] == [3, 700, 1599]


def test_without_the_list_there_is_no_position(files: Write) -> None:
    folder = files(human_goals=None)
    assert len(Shop(folder, "human", split="all").goals) == 3
    with pytest.raises(SettingError, match=r"human_goals\.json, the public list"):
        Shop(folder, "human", split="test", split_by="position")


def test_an_empty_split_says_where_the_goals_are(files: Write) -> None:
    with pytest.raises(SettingError, match="no goal is in it; by position there are 3 in 'train'"):
        Shop(files((1501, 1502, 1503)), "human", split="test", split_by="position")


def test_the_first_of_equal_instructions_is_the_place_of_all() -> None:
    order = HumanList(["red lamp", 'my "own" lamp', "red lamp"])
    assert len(order) == 3
    assert order.place("Red lamp., and price lower than 40.00 dollars") == 0
    assert order.place("My 'own' lamp") == 1
    assert order.place("blue lamp") is None


@pytest.mark.parametrize("content", [{}, [], [1], ["a", " "], "text", None])
def test_a_list_that_is_none_is_named(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "human_goals.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"human_goals\.json") as refused:
        HumanList.read(path)
    assert "\n" not in str(refused.value)


def test_an_absent_or_damaged_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        HumanList.read(tmp_path / "absent.json")
    (tmp_path / "cut.json").write_text('["a", "b')
    with pytest.raises(DataError, match="damaged"):
        HumanList.read(tmp_path / "cut.json")


@pytest.mark.realdata
def test_the_public_list_has_all_instructions_of_the_1000_products(webshop_files: Path) -> None:
    shops = {
        split: Shop(webshop_files, "human", split=split, split_by="position")
        for split in ("train", "validation", "all")
    }
    assert {split: len(shop.goals) for split, shop in shops.items()} == {
        "train": 12,
        "validation": 1,
        "all": 13,
    }
    order = HumanList.read(webshop_files / "human_goals.json")
    assert len(order) == 12_087
    people = read_trajectories(webshop_files / "human_trajs_sample")
    numbers = {s: len(in_published_split(people, order, s)) for s in ("train", "test", "all")}
    assert numbers == {"train": 8, "test": 0, "all": 9}
