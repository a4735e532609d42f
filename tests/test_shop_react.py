"""The ReAct example, against a real local server that speaks the chat-completions protocol."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Script

from agents.shop.evaluation import evaluate_shopper
from agents.shop.scripted import FirstHit
from agents.shop.shop_pool import ShopObservation
from llmrec_env.envs.shop.pages import Kind

pytest.importorskip("openai")
ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = "shop_react.py"
BUTTON = re.compile(r"\[(clicked )?button\] (.*) \[(?:clicked )?button_\]")


def observation_of(prompt: str) -> ShopObservation:
    """What FirstHit looks at, read from the prompt alone."""
    page, choices = prompt.split("Observation:\n", 1)[1].split("\n\nValid actions:\n")
    lines, valid = page.split("\n"), tuple(choices.split("\n"))
    seen: dict[str, Any] = {"page": Kind.RESULTS, "instruction": lines[1], "options": ()}
    if valid == ("search[any words]",):
        seen["page"], valid = Kind.INDEX, (f"search[{lines[1]}]",)
    products = [action[6:-1] for action in valid if re.fullmatch(r"click\[g\w{5}\]", action)]
    seen["results"] = tuple({"asin": asin} for asin in products)
    if "click[buy now]" in valid:
        seen["page"] = Kind.ITEM
        seen["options"] = tuple(options_of(lines[4:]))
    return ShopObservation(seen, valid, -1)


def options_of(lines: list[str]) -> Iterator[dict[str, Any]]:
    """Each option's name, values and chosen value: a plain line, and the buttons below it."""
    named: dict[str, Any] = {}
    for line, after in pairwise(lines):
        button = BUTTON.fullmatch(line)
        if button:
            named["values"] += (button[2],)
            named["chosen"] = button[2] if button[1] else named["chosen"]
        elif not BUTTON.fullmatch(after):
            return  # the title
        if not button:
            named = {"name": line, "values": (), "chosen": ""}
            yield named


def first_hit(messages: list[dict[str, str]]) -> tuple[int, str]:
    action = FirstHit().choose(observation_of(messages[-1]["content"]))
    return 200, f"Thought: not click[back to search], but the first hit.\nAction: {action}"


def test_a_model_that_acts_as_first_hit_earns_what_first_hit_earns(
    run_example: Callable[..., str], serve: Callable[[Script], ChatServer]
) -> None:
    failed: list[int] = []

    def script(messages: list[dict[str, str]]) -> tuple[int, str]:
        if len(failed) < 1:  # the client asks again
            failed.append(1)
            return 500, ""
        return first_hit(messages)

    server = serve(script)
    printed = run_example(server, EXAMPLE, "--goals", "12")
    settings = {"split": "test", "goals_per_product": 1}
    expected = evaluate_shopper(FirstHit(), settings, range(12))
    rewards = [float(r) for r in re.findall(r"^reward (\S+)", printed, re.MULTILINE)]
    assert rewards == pytest.approx(expected.rewards.tolist(), abs=0.005)
    told = dict(re.findall(r"^(score|success) (\S+) \[.*\] over 12 goals$", printed, re.MULTILINE))
    assert float(told["score"]) == pytest.approx(expected.score.mean, abs=0.05)
    assert float(told["success"]) == pytest.approx(expected.success.mean, abs=0.05)
    assert 0 < expected.successes.sum() < 12
    assert len(server.asked) == 1 + expected.lengths.sum()
    assert max(len(request["messages"]) for request in server.asked) <= 2 + 2 * 3


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "Your answer had no action"),
        ("I \x1b[2J give up. Action: click[", "Your answer had no action"),
        ("click[buy now]", "click[buy now] is not a valid action here"),
        ("Action: search[]", "search[] is not a valid action here"),
    ],
)
def test_answers_that_are_no_action_are_told_and_end_with_the_episode(
    answer: str | None,
    told: str,
    run_example: Callable[..., str],
    serve: Callable[[Script], ChatServer],
) -> None:
    server = serve(lambda messages: (200, answer))
    printed = run_example(server, EXAMPLE, "--goals", "2", "--verbose", "--history", "1")
    assert printed.splitlines()[-2:] == [
        "score 0.0 [0.0, 0.0] over 2 goals",
        "success 0.0 [0.0, 0.0] over 2 goals",
    ]
    assert "\x1b" not in printed
    assert len(server.asked) == 2 * 15
    assert server.asked[1]["messages"][-1]["content"].startswith(told)
    assert max(len(request["messages"]) for request in server.asked) == 4


def test_an_endpoint_that_stays_away_is_one_clear_error(
    run_example: Callable[..., str], serve: Callable[[Script], ChatServer]
) -> None:
    server = serve(lambda messages: (500, ""))
    with pytest.raises(SystemExit, match=r"does not answer: .*out of order"):
        run_example(server, EXAMPLE, "--goals", "1", "--retries", "1")
    assert len(server.asked) == 2


def test_the_last_action_of_an_answer_counts() -> None:
    parse = runpy.run_path(str(ROOT / "examples" / EXAMPLE))["parse"]
    assert parse("Action: search[a]\nAction: Click[b [pack of 2]] now") == "Click[b [pack of 2]]"
    assert parse("search[red shoes] or click[x], so: search[blue]") == "search[blue]"
    assert parse("click[a\n]") == parse("") == parse("buy") == ""
