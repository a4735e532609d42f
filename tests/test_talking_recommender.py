"""The example of a chat model that recommends, against a real local server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from chat_server import ChatServer, Script

pytest.importorskip("openai")
pytest.importorskip("bm25s")
EXAMPLE = ("talking_recommender.py", "--id", "LLMRec/TrueTaste-v1")


def calling(tool: str, **arguments: str) -> dict[str, Any]:
    """A message that calls a tool, as the protocol has it."""
    function = {"name": tool, "arguments": json.dumps(arguments)}
    return {"content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]}


def test_a_model_searches_and_recommends_what_it_found(
    run_example: Callable[..., str], serve: Callable[[Script], ChatServer]
) -> None:
    def script(messages: list[dict[str, str]]) -> tuple[int, Any]:
        found = re.search(r"^You searched .*\n.*\[(i\d+)\]", messages[-1]["content"], re.MULTILINE)
        if found:
            return 200, calling("recommend", item=found[1])
        return 200, calling("search", query="a gentle fantasy")

    server = serve(script)
    printed = run_example(server, *EXAMPLE, "--users", "2", "--steps", "5")
    assert re.search(r"^model \S+ \[.*\] over 2 users$", printed, re.MULTILINE)
    assert re.search(r"^random \S+ \[.*\] over 2 users$", printed, re.MULTILINE)
    read = [request["messages"][-1]["content"] for request in server.asked]
    assert all("You recommended" in text or "You searched" in text for text in read[1:10])
    names = [tool["function"]["name"] for tool in server.asked[0]["tools"]]
    assert names == ["search", "look", "recommend"]
    assert server.asked[0]["messages"][0]["role"] == "system"
    assert max(len(request["messages"]) for request in server.asked) == 2 + 2 * 3


def test_a_model_that_calls_no_tool_earns_nothing_and_is_told_so(
    run_example: Callable[..., str], serve: Callable[[Script], ChatServer]
) -> None:
    server = serve(lambda messages: (200, "I would rather talk."))
    printed = run_example(server, *EXAMPLE, "--users", "1", "--turns", "4")
    assert "model 0.00" in printed
    assert len(server.asked) == 4
    assert "Not done: no action" in server.asked[1]["messages"][-1]["content"]


def test_an_endpoint_that_stays_away_is_one_clear_error(
    run_example: Callable[..., str], serve: Callable[[Script], ChatServer]
) -> None:
    server = serve(lambda messages: (500, ""))
    with pytest.raises(SystemExit, match=r"does not answer: .*out of order"):
        run_example(server, *EXAMPLE, "--users", "1", "--retries", "0")
