"""The shop in a browser: a whole episode, what is kept of it, and what is refused."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra serve")

from agents.shop.behavior_cloning import BehaviorCloningConfig, behavior_cloning
from agents.shop.compact import CompactConfig, CompactPolicy
from agents.shop.rollouts import Rollout, collect_rollouts, load_rollouts, replay
from agents.shop.scripted import FirstHit, ScriptedBrowser
from agents.shop.shop_pool import ShopObservation, ShopPool
from llmrec_env.common.errors import DataError, FileError, SettingError
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.envs.shop.catalogue.builder import CatalogueBuilder
from llmrec_env.envs.shop.catalogue.products import Product
from llmrec_env.web.guard import HEADERS
from llmrec_env.web.shop.site import ShopSite
from llmrec_env.web.shop.trajectories import Trajectories
from llmrec_env.web.visits import Visits

EVIL = "<script>alert('x')</script>"
Come = Callable[..., Any]
Fields = Callable[[str], dict[str, str]]


def shop_settings() -> dict[str, Any]:
    return {"catalogue": 60, "split": "train"}


def opened(folder: Path, settings: dict[str, Any] | None = None, **more: Any) -> ShopSite:
    """A shop whose episodes go to a folder, as after a start of the command."""
    settings = settings or shop_settings()
    named = {name: value for name, value in settings.items() if name != "catalogue"}
    claimed = RunFolder.claim(folder, "shop serve", named)
    return ShopSite(settings, Trajectories(claimed), seed=0, **more)


def evil_settings() -> dict[str, Any]:
    """A catalogue whose every text is markup."""
    builder = CatalogueBuilder("strangers")
    for number in range(3):
        builder.add(
            Product(
                asin=f"<script>{number}",
                name=f"Tall lamp {EVIL}",
                query="lamps",
                description=EVIL,
                bullets=(EVIL,),
                options={EVIL: (EVIL, "plain")},
                attributes=("bright",),
                instruction=f"find a <u>bright</u> lamp {EVIL} {number}",
                instruction_attributes=("bright",),
            )
        )
    return {"catalogue": builder.build(), "split": "all"}


def buttons(page: str) -> list[str]:
    """The actions of a page's buttons."""
    return [html.unescape(value) for value in re.findall(r'name="action" value="([^"]*)"', page)]


def do(client: Any, fields: Fields, **form: str) -> str:
    """Send the form of the page where the visitor is; the page to which it leads."""
    step = fields(client.get("/shop").text)["step"]
    return str(client.post("/act", data={"step": step, **form}).text)


def shop_for(client: Any, fields: Fields, goal: int) -> str:
    """A whole episode: search, open the first hit, choose first values, read, buy."""
    page = client.post("/start", data={"goal": str(goal)}).text
    page = do(client, fields, search="usb cables")
    page = do(client, fields, action=buttons(page)[-1])
    do(client, fields, action="click[description]")
    do(client, fields, action="click[< prev]")
    return do(client, fields, action="click[buy now]")


def test_a_whole_episode_is_played_in_the_environment_and_kept_as_a_rollout(
    tmp_path: Path, visit: Come, fields: Fields
) -> None:
    client = visit(opened(tmp_path / "people").application())
    page = shop_for(client, fields, goal=3)
    assert "What you bought" in page
    for who in ("first hit", "browser", "oracle"):
        assert who in page
    (rollout,) = load_rollouts(tmp_path / "people" / "rollouts.json")
    assert (rollout.goal, len(rollout.actions)) == (3, 5)
    assert rollout.actions[0] == "search[usb cables]"
    assert f"<b>{rollout.reward:.2f}</b> of 1.00" in page
    # the same actions earn the same in the environment itself
    decisions = list(replay([rollout], shop_settings(), "features"))
    assert len(decisions) == 4  # a search in one's own words is no choice of the slate


@pytest.mark.parametrize("seed", range(4))
def test_every_valid_action_stands_on_the_page_once(
    tmp_path: Path, visit: Come, fields: Fields, seed: int
) -> None:
    """On a random walk, through a shop in which options share values with one another."""
    settings = {**shop_settings(), "max_episode_steps": 25}
    site = opened(tmp_path / "people", settings)
    client, rng = visit(site.application()), np.random.default_rng(seed)
    page = client.post("/start").text
    (goal,) = re.findall(r'id="instruction">([^<]*)<', page)
    shop = ShopPool(settings, "url", "text")
    instructions = [one.instruction for one in shop.shop.goals]
    seen, ended = shop.begin(0, instructions.index(html.unescape(goal))), False
    while not ended:
        assert sorted(buttons(page)) == sorted(seen.actions)
        action = str(rng.choice(seen.actions))
        page = do(client, fields, action=action)
        outcome = shop.step(0, action)
        seen, ended = outcome.observation, outcome.ended
    assert f"<b>{outcome.reward:.2f}</b> of 1.00" in page


def test_policies_learn_from_what_people_did(tmp_path: Path, visit: Come, fields: Fields) -> None:
    policy = CompactPolicy(CompactConfig())
    client = visit(opened(tmp_path / "people", policies={"runs/mine": policy}).application())
    assert "runs/mine" in shop_for(client, fields, goal=3)  # how it does on the same goal
    rollouts = load_rollouts(tmp_path / "people" / "rollouts.json")
    decisions = list(replay(rollouts, shop_settings(), policy.observation))
    curve = behavior_cloning(policy, decisions, BehaviorCloningConfig(epochs=2))
    assert curve.rows


def test_people_go_on_after_a_restart(tmp_path: Path, visit: Come, fields: Fields) -> None:
    first = visit(opened(tmp_path / "people").application())
    shop_for(first, fields, goal=1)
    first.post("/start", data={"goal": "2"})
    there = do(first, fields, search="usb cables")
    again = visit(opened(tmp_path / "people").application())  # nothing was said to the first one
    again.cookies = first.cookies
    assert again.get("/shop").text == there
    do(again, fields, action=buttons(there)[-1])
    do(again, fields, action="click[buy now]")
    kept = load_rollouts(tmp_path / "people" / "rollouts.json")
    assert [(rollout.goal, len(rollout.actions)) for rollout in kept] == [(1, 5), (2, 3)]
    third = visit(opened(tmp_path / "people").application())
    third.cookies = first.cookies
    assert third.get("/shop", follow_redirects=False).headers["location"] == "/"


def test_visitors_do_not_see_one_another(tmp_path: Path, visit: Come, fields: Fields) -> None:
    site = opened(tmp_path / "people").application()
    one, other = visit(site), visit(site)
    one.post("/start", data={"goal": "1"})
    other.post("/start", data={"goal": "40"})
    found = do(one, fields, search="usb cables")
    assert "found for" in found
    assert fields(other.get("/shop").text)["step"] == "0"
    assert one.get("/shop").text == found


def test_a_form_of_a_page_that_was_left_does_nothing(
    tmp_path: Path, visit: Come, fields: Fields
) -> None:
    client = visit(opened(tmp_path / "people").application())
    client.post("/start", data={"goal": "1"})
    do(client, fields, search="usb cables")
    late = client.post("/act", data={"step": "0", "search": "pillows"})
    assert "That page was left already" in late.text
    assert fields(late.text)["step"] == "1"
    assert "That page was left already" not in client.get("/shop").text


def test_running_out_of_steps_ends_without_a_purchase(
    tmp_path: Path, visit: Come, fields: Fields
) -> None:
    client = visit(
        opened(tmp_path / "people", {**shop_settings(), "max_episode_steps": 1}).application()
    )
    client.post("/start", data={"goal": "1"})
    page = do(client, fields, search="usb cables")
    assert "Nothing was bought" in page
    assert load_rollouts(tmp_path / "people" / "rollouts.json")[0].reward == 0.0


def test_a_full_disk_loses_nothing(
    tmp_path: Path, visit: Come, fields: Fields, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = visit(opened(tmp_path / "people").application())
    client.post("/start", data={"goal": "1"})
    page = do(client, fields, search="usb cables")
    do(client, fields, action=buttons(page)[-1])

    def full(*arguments: Any) -> None:
        raise FileError("cannot write rollouts.json: no space left on device")

    with monkeypatch.context() as while_full:
        while_full.setattr(Trajectories, "add", full)
        told = do(client, fields, action="click[buy now]")
        assert "no space left on device" in told
    assert "What you bought" in client.get("/shop").text
    assert len(load_rollouts(tmp_path / "people" / "rollouts.json")) == 1


def test_a_replay_shows_every_step(tmp_path: Path, visit: Come) -> None:
    (rollout,) = collect_rollouts(ScriptedBrowser(), shop_settings(), [5])
    muddled = replace(rollout, actions=("click[the moon]", *rollout.actions))
    site = opened(tmp_path / "people", replays=[rollout, muddled], replay_title="mine.json")
    client = visit(site.application())
    assert "mine.json" in client.get("/").text
    for step, action in enumerate(rollout.actions):
        page = client.get(f"/replays/file/0?step={step}").text
        assert f"does <code>{action}</code>" in html.unescape(page)
        assert len(re.findall(r'class="[^"]*taken"', page)) == 1
        pressed = re.findall(r"<button[^>]*>", page)
        assert pressed
        assert all(button.endswith(" disabled>") for button in pressed)
    page = client.get(f"/replays/file/0?step={len(rollout.actions)}").text
    assert f"<b>{rollout.reward:.2f}</b> of 1.00" in page
    assert client.get("/replays/file/2").status_code == 404
    assert client.get("/replays/elsewhere/0").status_code == 404
    told = [client.get(f"/replays/file/1?step={step}").text for step in range(2)]
    assert ["which cannot be done here" in page for page in told] == [True, False]
    assert client.get("/replays/file/0?step=x").status_code == 200


def test_agents_are_watched_after_ones_own_episode_only(
    tmp_path: Path, visit: Come, fields: Fields
) -> None:
    client = visit(opened(tmp_path / "people").application())
    client.post("/start", data={"goal": "1"})
    assert client.get("/agents/2").status_code == 404
    shop_for(client, fields, goal=1)
    assert client.get("/agents/2").status_code == 200
    assert client.get("/agents/9").status_code == 404


class Thinker(FirstHit):
    """An agent that thinks until it is told to stop, and then has nothing to say."""

    def __init__(self) -> None:
        self.stop = threading.Event()

    def choose(self, observation: ShopObservation) -> str:
        self.stop.wait(60)
        raise MemoryError("no memory is left")


def test_nobody_waits_for_an_agent_that_is_slow(
    tmp_path: Path, visit: Come, fields: Fields
) -> None:
    thinker = Thinker()
    site = opened(tmp_path / "people", policies={"thinker": thinker})
    client = visit(site.application())
    page = shop_for(client, fields, goal=1)
    assert "is still shopping" in page
    assert 'http-equiv="refresh"' in page
    assert page.count(">watch<") == 3
    assert client.get("/agents/3").status_code == 404
    thinker.stop.set()
    page = client.get("/shop").text
    assert "failed: no memory is left" in page
    assert 'http-equiv="refresh"' not in page


def test_texts_of_strangers_are_texts(tmp_path: Path, visit: Come, fields: Fields) -> None:
    client = visit(opened(tmp_path / "people", evil_settings()).application())
    pages = [client.post("/start", data={"goal": "0"}).text]
    for form in (
        {"search": f"tall lamp {EVIL}"},
        {"action": "click[<script>0]"},
        {"action": f"click[{EVIL}]"},
        {"action": "click[description]"},
        {"action": "click[< prev]"},
        {"action": "click[buy now]"},
    ):
        pages.append(do(client, fields, **form))
    pages += [client.get("/").text, client.get("/replays/people/0?step=3").text]
    assert "What you bought" in pages[6]
    for page in pages:
        assert "<script" not in page.lower()
        assert "<u>" not in page
        assert "alert(" in page


def test_rollouts_of_another_shop_are_refused(tmp_path: Path) -> None:
    stranger = Rollout(0, "find me something else", ("click[buy now]",), 0.0, False)
    with pytest.raises(DataError, match="belongs to another shop"):
        opened(tmp_path / "people", replays=[stranger])
    opened(tmp_path / "other")
    with pytest.raises(SettingError, match="split"):
        opened(tmp_path / "other", {**shop_settings(), "split": "test"})


def test_every_answer_has_the_headers_that_keep_scripts_out(tmp_path: Path, visit: Come) -> None:
    client = visit(opened(tmp_path / "people").application())
    for path in ("/", "/style.css", "/nowhere"):
        sent = client.get(path).headers
        assert {name: sent[name] for name in HEADERS} == HEADERS
    assert "script-src" not in HEADERS["Content-Security-Policy"]  # so default-src 'none' holds
    cookie = client.post("/start", follow_redirects=False).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9000"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"host": "evil.example:8000", "origin": "http://evil.example:8000"}, 421),
        ({"host": "[", "origin": "http://["}, 421),
        ({"host": "localhost:x", "origin": "http://localhost:x"}, 421),
        ({"content-length": "70000"}, 413),
        ({}, 303),
    ],
)
def test_forms_of_other_sites_are_refused(
    tmp_path: Path, visit: Come, headers: dict[str, str], status: int
) -> None:
    client = visit(opened(tmp_path / "people").application())
    assert client.post("/start", headers=headers, follow_redirects=False).status_code == status


def test_nothing_changes_by_looking(tmp_path: Path, visit: Come) -> None:
    client = visit(opened(tmp_path / "people").application())
    for path in ("/start", "/act"):
        assert client.get(path).status_code == 405


def test_unknown_goals_and_pages_are_told(tmp_path: Path, visit: Come) -> None:
    client = visit(opened(tmp_path / "people").application())
    for goal in ("100000000000", "-1", "x", EVIL):
        told = client.post("/start", data={"goal": goal})
        assert told.status_code == 404
        assert "There is no goal" in told.text
        assert EVIL not in told.text
    assert client.get("/shop", follow_redirects=False).headers["location"] == "/"
    assert client.post("/act", follow_redirects=False).headers["location"] == "/"


def test_the_visit_that_was_quiet_longest_goes_first() -> None:
    visits: Visits[int] = Visits("x", most=2)
    for number in range(3):
        visits.put(str(number), number)
    visits.put("1", 10)
    visits.put("3", 3)
    assert dict(visits.items()) == {"1": 10, "3": 3}


def test_a_cookie_that_somebody_else_chose_names_no_visit(tmp_path: Path, visit: Come) -> None:
    client = visit(opened(tmp_path / "people").application())
    name = "llmrec_shop_8000"
    sent = client.post("/start", headers={"cookie": f"{name}=chosen"}, follow_redirects=False)
    assert len(sent.cookies[name]) == 32
