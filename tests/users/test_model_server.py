"""Asking over HTTP: servers that tell log-probabilities or not, stall, drop, fail and babble."""

from __future__ import annotations

import itertools
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
from word_servers import (
    Reply,
    Script,
    ScriptedServer,
    by_probability,
    in_words,
    last_message,
    serving,
)

from llmrec_env.common.errors import SettingError, SimulatorError
from llmrec_env.users.origin import EMBEDDED
from llmrec_env.users.prompting.questions import LIKING, TAKING, Reading
from llmrec_env.users.prompting.server import ModelServer

pytest.importorskip("openai")
Serve = Callable[[Script], ScriptedServer]
CHAT = ({"role": "user", "content": "How would they rate it?"},)
SOON = {"retry-after": "0.01"}


def server_of(scripted: ScriptedServer, **settings: Any) -> ModelServer:
    return ModelServer("judge", scripted.url, **{"retries": 2, **settings})


def test_liking_is_read_from_log_probabilities(serve: Serve) -> None:
    scripted = serve(lambda request: by_probability({"5": 0.5, "4": 0.25, "Sure": 0.25}))
    server = server_of(scripted, prices=(2.0, 4.0))
    reading = server.ask(LIKING, CHAT)
    assert reading.value == pytest.approx((0.5 * 1.0 + 0.25 * 0.75) / 0.75)
    assert reading.mass == pytest.approx(0.75)
    asked = scripted.asked[0]
    assert (asked["logprobs"], asked["top_logprobs"], asked["max_tokens"]) == (True, 20, 1)
    usage = server.usage
    assert (usage.requests, usage.prompt_tokens, usage.completion_tokens) == (1, 100, 1)
    assert server.cost == pytest.approx((100 * 2 + 1 * 4) / 1e6)


def test_a_server_without_log_probabilities_is_asked_for_a_constrained_answer(serve: Serve) -> None:
    scripted = serve(lambda request: in_words('{"answer": "Yes"}'))
    server = server_of(scripted)
    assert server.ask(TAKING, CHAT).value == 1.0
    assert server.way == "a constrained answer"
    before = len(scripted.asked)
    server.ask(TAKING, CHAT)
    (last,) = scripted.asked[before:]  # what it knows is not found out again
    schema = last["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["answer"]["enum"] == ["No", "Yes"]


def test_a_server_that_refuses_fields_is_asked_in_words(serve: Serve) -> None:
    def script(request: dict[str, Any]) -> Reply:
        if "top_logprobs" in request or "response_format" in request:
            return Reply(status=400, body='{"error": {"message": "unknown field"}}')
        return in_words("I'd give it a 2.")

    server = server_of(serve(script))
    assert server.ask(LIKING, CHAT).value == 0.25
    assert server.way == "an answer in words"


def test_a_server_that_tells_five_log_probabilities_tells_five(serve: Serve) -> None:
    def script(request: dict[str, Any]) -> Reply:
        if request["top_logprobs"] > 5:
            return Reply(status=400, body='{"error": {"message": "at most 5"}}')
        return by_probability({"1": 1.0})

    server = server_of(serve(script))
    assert server.ask(LIKING, CHAT).value == 0.0
    assert server.way == "log-probabilities of 5 tokens"


def test_a_model_that_babbles_is_reminded_once(serve: Serve) -> None:
    def script(request: dict[str, Any]) -> Reply:
        return in_words("3" if "one of these alone" in last_message(request) else "Hm, well")

    server = server_of(serve(script), log_probabilities=False)
    assert server.ask(LIKING, CHAT).value == 0.5
    assert server.usage.unreadable == 2


def test_a_model_that_only_babbles_is_one_clear_error(serve: Serve) -> None:
    server = server_of(serve(lambda request: in_words("Purple.")))
    with pytest.raises(
        SimulatorError, match=r"answers 'Purple.', which is none of No, Yes; name an"
    ):
        server.ask(TAKING, CHAT)


@pytest.mark.parametrize(
    "first",
    [
        Reply(status=500, body="{}", headers=SOON),
        Reply(status=429, body="{}", headers=SOON),
        Reply(drops=True),
        Reply(body="<html>hello</html>", headers={"Content-Type": "text/html"}),
        Reply(body='{"choices": ['),
        Reply(body='{"object": "chat.completion", "choices": []}'),
    ],
    ids=["500", "429", "dropped", "html", "cut", "empty"],
)
def test_what_fails_once_is_asked_again(serve: Serve, first: Reply) -> None:
    replies = itertools.chain([first], itertools.repeat(by_probability({"5": 1.0})))
    server = server_of(serve(lambda request: next(replies)))
    assert server.ask(LIKING, CHAT).value == 1.0
    assert server.usage.retries == 1
    assert server.usage.requests == 2


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(seconds=1.0), r"timed out; give ModelServer a longer timeout= or a lower concurr"),
        (Reply(drops=True), r"Connection error .*; start it, or correct base_url="),
        (Reply(status=500, body='{"error": {"message": "no memory"}}'), "no memory.*what it logs"),
        (Reply(status=429, body="{}"), "429.*; give ModelServer a lower concurrency= or more"),
        (Reply(status=401, body="{}"), "401.*; set OPENAI_API_KEY"),
        (Reply(status=404, body="{}"), "404.*; correct model= .*base_url="),
        (Reply(status=400, body='{"error": {"message": "too long"}}'), "too long.*; show less"),
        (Reply(body="pardon?"), "; name a server with OpenAI's chat completions"),
    ],
    ids=["stalls", "drops", "500", "429", "401", "404", "400", "nonsense"],
)
def test_what_keeps_failing_is_one_line_with_the_mend(
    serve: Serve, reply: Reply, told: str
) -> None:
    server = server_of(serve(lambda request: reply), retries=0, timeout=0.2)
    with pytest.raises(SimulatorError, match=told) as error:
        server.ask(LIKING, CHAT)
    assert "\n" not in str(error.value)


def test_nobody_at_the_address_is_one_clear_error(serve: Serve) -> None:
    gone = serve(lambda request: Reply())
    gone.server_close()
    with pytest.raises(SimulatorError, match=r"Connection error .*refused.*; start it, or correct"):
        server_of(gone, retries=0).ask(LIKING, CHAT)


def test_settings_of_a_request_go_before_ours(serve: Serve) -> None:
    scripted = serve(lambda request: in_words("5"))
    settings = {"max_tokens": None, "max_completion_tokens": 900, "extra_body": {"think": False}}
    server_of(scripted, log_probabilities=False, request=settings).ask(LIKING, CHAT)
    (asked,) = scripted.asked
    assert asked["max_completion_tokens"] == 900
    assert asked["think"] is False
    assert "max_tokens" not in asked


def test_a_pickled_server_asks_again_and_holds_no_key(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")
    server = server_of(serve(lambda request: by_probability({"3": 1.0})))
    server.ask(LIKING, CHAT)
    saved = pickle.dumps(server)
    assert b"sesame" not in saved
    twin = pickle.loads(saved)
    assert twin.ask(LIKING, CHAT) == Reading(0.5, 1.0)
    assert twin.usage.requests == 1


def test_one_server_may_be_asked_by_many_threads(serve: Serve) -> None:
    server = server_of(serve(lambda request: in_words("5")))
    threads = [threading.Thread(target=server.ask, args=(LIKING, CHAT)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.way == "a constrained answer"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"timeout": 0.0}, "timeout must be at least"),
        ({"retries": -1}, "retries must be at least 0, got -1"),
        ({"concurrency": 0}, "concurrency must be at least 1"),
        ({"base_url": "localhost:8000"}, "base_url must begin with http://"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingError, match=told):
        ModelServer("judge", **wrong)


def test_a_cost_without_prices_is_refused() -> None:
    with pytest.raises(SettingError, match="give ModelServer prices="):
        _ = ModelServer("judge").cost


def test_a_real_model_behind_a_real_server(tmp_path: Any) -> None:
    """The package's own small model: log-probabilities of every token, then constrained answers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = EMBEDDED / "base_model"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    chats = [({"role": "user", "content": f"The tale of a {thing}"},) for thing in ("fox", "king")]
    with serving(folder) as url:
        server = ModelServer("small", url, request={"top_logprobs": len(tokenizer)})
        for chat in (*chats, chats[0]):  # the last one is read from kept keys and values
            text, before = f"user: {chat[0]['content']}\n\nassistant:", server.usage.reused_tokens
            with torch.inference_mode():
                logits = model(torch.tensor([tokenizer(text)["input_ids"]])).logits[0, -1]
            shares = {tokenizer.decode([i]): p for i, p in enumerate(logits.softmax(-1).tolist())}
            mass = {n: sum(shares.get(b + str(n), 0.0) for b in ("", " ")) for n in range(1, 6)}
            expected = sum((n - 1) / 4 * p for n, p in mass.items()) / sum(mass.values())
            assert server.ask(LIKING, chat).value == pytest.approx(expected, abs=1e-4)
        assert server.usage.reused_tokens - before == len(tokenizer(text)["input_ids"]) - 1
        words = ModelServer("small", url, log_probabilities=False)
        assert words.ask(TAKING, chats[0]).value in (0.0, 1.0)
        assert words.way == "a constrained answer"
        with pytest.raises(SimulatorError, match="the model reads 1024 tokens at most"):
            server.ask(LIKING, ({"role": "user", "content": "tale " * 1100},))
