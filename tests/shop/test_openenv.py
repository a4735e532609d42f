"""The OpenEnv servers, driven over HTTP and WebSocket by several clients at once.

They run in the library's own environment: ``examples/other_libraries/make_venv.py openenv``.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("openenv")
from llmrec_env.envs.language_agents import TextLoop
from llmrec_env.envs.language_agents.openenv import (
    RecommendClient,
    ShopClient,
    TextAction,
    recommend_app,
    shop_app,
)
from llmrec_env.web.serving import served

SHOP = {"catalogue": 200, "max_steps": 6}


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    with served(shop_app(max_sessions=12, **SHOP)) as url:
        yield url.rstrip("/")


def read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.loads(answer.read())


def test_what_is_served_is_described(shop: str) -> None:
    assert read(f"{shop}/health")["status"] == "healthy"
    assert read(f"{shop}/metadata")["name"] == "llmrec_shop"
    schema = read(f"{shop}/schema")
    assert schema["action"]["required"] == ["text"]
    assert {"text", "valid_actions", "success"} <= set(schema["observation"]["properties"])
    assert "goal" in schema["state"]["properties"]
    request = urllib.request.Request(
        f"{shop}/reset", b'{"goal": 3}', {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        opened = json.loads(answer.read())
    assert opened["observation"]["text"] == TextLoop(**SHOP).reset(goal=3)[0]


def test_clients_at_once_each_have_a_session_as_if_they_were_alone(shop: str) -> None:
    async def play(goal: int) -> list[Any]:
        async with ShopClient(base_url=shop) as client:
            seen = [await client.reset(goal=goal, episode_id=f"e{goal}")]
            asked = seen[0].observation.instruction
            seen.append(await client.step(TextAction(text=f"<action>search[{asked}]</action>")))
            opening = [v for v in seen[1].observation.valid_actions if v.startswith("click[g")]
            for text in ("I think", opening[0], "click[buy now]"):
                seen.append(await client.step(text))
            state = await client.state()
            assert (state.episode_id, state.goal, state.step_count) == (f"e{goal}", goal, 4)
        return seen

    async def together() -> list[list[Any]]:
        return await asyncio.gather(*map(play, range(10)))

    for goal, seen in enumerate(asyncio.run(together())):
        loop = TextLoop(**SHOP)
        text, info = loop.reset(goal=goal)
        assert seen[0].observation.text == text
        assert seen[0].observation.manual == loop.manual
        answers = [f"search[{info['instruction']}]", "I think"]
        answers += [f"click[{seen[3].observation.action[6:-1]}]", "click[buy now]"]
        for answer, result in zip(answers, seen[1:], strict=True):
            text, reward, terminated, _, info = loop.step(answer)
            assert result.observation.text == text
            assert (result.reward, result.done) == (reward, terminated)
            assert result.observation.action_is_valid == info["action_is_valid"]
        assert seen[2].observation.action is None
        assert seen[-1].done
        assert seen[-1].observation.parts == info["rewards"]


def test_a_session_too_many_and_an_unknown_goal_are_told(shop: str) -> None:
    with ShopClient(base_url=shop).sync() as client:
        with pytest.raises(RuntimeError, match="must be a whole number in"):
            client.reset(goal=10**6)
        assert client.reset(seed=1).observation.text == client.reset(seed=1).observation.text
    with served(shop_app(max_sessions=1, **SHOP)) as url, ShopClient(base_url=url).sync() as one:
        one.reset()
        with (
            pytest.raises(Exception, match=r"(?i)capacity"),
            ShopClient(base_url=url).sync() as other,
        ):
            other.reset()


def test_sessions_that_name_no_seed_have_draws_of_their_own(shop: str) -> None:
    async def goals() -> set[int]:
        clients = [ShopClient(base_url=shop) for _ in range(6)]
        for client in clients:
            await client.reset()
        found = {(await client.state()).goal for client in clients}
        for client in clients:
            await client.close()
        return found

    assert len(asyncio.run(goals())) > 2


def test_users_to_recommend_to_are_served_from_one_le() -> None:
    async def play(client: RecommendClient, seed: int) -> Any:
        async with client:
            start = await client.reset(seed=seed)
            found = await client.step("search[gentle fantasy]")
            shown = await client.step(f"recommend[{found.observation.hits[seed]}]")
            assert (await client.state()).shown == 1
            last = await client.step(f"recommend[{found.observation.hits[seed + 1]}]")
        assert last.done
        assert last.observation.truncated
        return start.observation.user_id, shown.observation.shown, shown.reward

    with served(recommend_app(max_recommended=2)) as url:

        async def together() -> list[Any]:
            return await asyncio.gather(*[play(RecommendClient(base_url=url), i) for i in range(4)])

        played = asyncio.run(together())
        assert played == asyncio.run(together())
    assert len({user for user, _, _ in played}) > 1
    assert all(0 < reward <= 1 for _, _, reward in played)


def test_bad_settings_are_told_before_anything_is_served() -> None:
    with pytest.raises(TypeError, match="did you mean 'catalogue'"):
        shop_app(catalog=200)
