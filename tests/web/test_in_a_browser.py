"""The pages in a real browser: whole episodes and replays, at the widths of phone and desk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")
pytest.importorskip("playwright.sync_api", reason="needs the extra browser")

from agents.shop.rollouts import load_rollouts
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.stochastic import UniformPolicy
from llmrec_env.users.true_taste import TrueTasteUser
from llmrec_env.web.seat.person import PersonUser
from llmrec_env.web.seat.site import SeatSite
from llmrec_env.web.seat.sitting import Seat
from llmrec_env.web.shop.site import ShopSite
from llmrec_env.web.shop.trajectories import Trajectories

Look = Callable[[Any], AbstractContextManager[Any]]


def test_a_person_shops_and_watches_the_replay(tmp_path: Path, look_at: Look) -> None:
    settings = {"catalogue": 60, "split": "train"}
    folder = RunFolder.claim(tmp_path / "people", "shop serve", settings)
    site = ShopSite(settings, Trajectories(folder), seed=0)
    with look_at(site.application()) as seen:
        seen.page.fill("input[name=goal]", "5")
        seen.click("text=Begin")
        asked = seen.page.inner_text("#instruction")
        seen.page.fill("input[name=search]", asked.removeprefix("Find me ").split(" with")[0])
        with seen.page.expect_navigation():
            seen.page.press("input[name=search]", "Enter")
        seen.look()
        seen.click(".hit >> nth=0")
        seen.click("fieldset >> nth=0 >> button >> nth=0")
        assert seen.page.inner_text("[aria-pressed=true]")
        seen.click("text=Buy now")
        assert "How agents did" in seen.text
        (rollout,) = load_rollouts(tmp_path / "people" / "rollouts.json")
        assert [action[:6] for action in rollout.actions] == ["search", *["click["] * 3]
        seen.click("text=watch >> nth=2")
        seen.click("text=the end")
        assert "of 1.00" in seen.text
        seen.click("text=To the first page")
        seen.click(f"text={asked}")
        for action in rollout.actions:
            assert f"does {action}" in seen.text
            assert seen.page.locator(".taken").count() == 1
            seen.click("text=Next step")
        assert f"{rollout.reward:.2f} of 1.00" in seen.text
        assert seen.said == []  # no style, script or form that the policy of the pages forbids


def test_a_person_sits_in_the_seat_of_a_user(tmp_path: Path, look_at: Look) -> None:
    users = TrueTasteUser(generate_world(seed=1, n_items=60, n_users=60))
    seat = Seat(PersonUser(users), UniformPolicy(), "random", items=4)
    folder = RunFolder.claim(tmp_path / "seat", "serve", {})
    site = SeatSite(seat, folder, "Users of a world")
    with look_at(site.application()) as seen:
        seen.click("text=Sit down")
        assert "What you took before" in seen.text
        seen.page.click("text=Take it")  # the browser asks for the liking first
        assert "item 1 of 4" in seen.text
        for number in range(4):
            assert f"item {number + 1} of 4" in seen.text
            seen.page.click(f".choices label >> nth={number}")
            seen.click("text=Skip it" if number % 2 else "text=Take it")
        assert "You and the model" in seen.text
        assert "Item by item" in seen.text
        assert len((tmp_path / "seat" / "answers.jsonl").read_text().splitlines()) == 4
        seen.click("text=To the first page")
        assert "So far" in seen.text
        assert seen.said == []
