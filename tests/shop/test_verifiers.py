"""The environments of verifiers, with a scripted model behind a real server.

They run in the library's own environment: ``examples/other_libraries/make_venv.py verifiers``.
"""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("verifiers")
import verifiers as vf
from chat_server import ChatServer, Script
from openai import AsyncOpenAI
from scripted_answers import first_hit, likes_a_hit
from verifiers.clients import OpenAIChatCompletionsClient

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.language_agents import TextLoop

HOME = "llmrec_env.envs.language_agents.verifiers"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "other_libraries"
Serve = Callable[[Script], ChatServer]


def evaluated(environment: Any, server: ChatServer, n: int) -> list[Any]:
    """The outputs of one rollout of each of ``n`` examples, in their order."""
    client = OpenAIChatCompletionsClient(AsyncOpenAI(base_url=server.url, api_key="none"))
    told = environment.evaluate_sync(client=client, model="scripted", num_examples=n)["outputs"]
    return sorted(told, key=lambda output: output["example_id"])


def test_a_shopper_is_paid_what_its_purchase_is_worth(serve: Serve) -> None:
    shop = vf.load_environment(f"{HOME}.shop", catalogue=200, goals=10)
    assert len(shop.get_dataset()) == 10
    outputs = evaluated(shop, serve(first_hit), 5)
    for goal, output in enumerate(outputs):
        loop = TextLoop(catalogue=200, split="test")
        page, reward, done = loop.reset(goal=goal)[0], 0.0, False
        assert output["prompt"][0]["content"] == loop.manual
        assert output["prompt"][1]["content"] == page
        while not done:
            page, reward, done, _, info = loop.step(first_hit([{"content": page}])[1])
        assert output["reward"] == output["metrics"]["earned"] == pytest.approx(reward)
        assert output["metrics"]["success"] == float(info["success"])
        assert output["metrics"]["num_turns"] == 3
        assert output["completion"][-1]["content"] == page
    assert outputs[0]["reward"] > 0


def test_answers_without_an_action_cost_turns_and_end(serve: Serve) -> None:
    shop = vf.load_environment(f"{HOME}.shop", catalogue=200, max_steps=2)
    (output,) = evaluated(shop, serve(lambda messages: (200, "Let me think.")), 1)
    assert output["reward"] == 0
    assert output["metrics"]["valid_actions"] == 0
    assert output["metrics"]["num_turns"] == 2


def test_a_recommender_is_paid_by_the_user(serve: Serve) -> None:
    settings = {"users": 3, "eval_users": 2, "max_recommended": 2}
    users = vf.load_environment(f"{HOME}.recommend", **settings)
    outputs = evaluated(users, serve(likes_a_hit), 2)
    assert all(0 < output["reward"] <= 2 for output in outputs)
    assert all(output["metrics"]["num_turns"] == 3 for output in outputs)
    assert outputs[0]["prompt"] != outputs[1]["prompt"]


def test_goals_that_are_not_there_are_refused() -> None:
    from llmrec_env.envs.language_agents.verifiers.shop import load_environment

    with pytest.raises(SettingError, match="goals of 'train'"):
        load_environment(catalogue=200, goals=10**6)
    with pytest.raises(TypeError, match="did you mean 'catalogue'"):
        load_environment(catalog=200)


def test_the_example_tells_each_rollout(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--base-url", serve(first_hit).url, "--model", "scripted"]
    monkeypatch.setattr(sys, "argv", ["", *where, "--examples", "2", "--rollouts", "2"])
    runpy.run_path(str(EXAMPLES / "verifiers_rollouts.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert len(re.findall(r"^reward \S+ .*success", printed, re.MULTILINE)) == 4
    assert "over 4 rollouts" in printed
