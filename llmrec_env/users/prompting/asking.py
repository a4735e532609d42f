"""Asks many questions at once, and keeps each answer as it comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.progress import progress_bar
from llmrec_env.users.prompting.cache import AnswerCache, OpenCache, key_of
from llmrec_env.users.prompting.prompts import Messages
from llmrec_env.users.prompting.questions import Question, Reading
from llmrec_env.users.prompting.server import ModelServer

AT_ONCE = 2048
"""Questions whose prompts are in memory at once."""


@dataclass(frozen=True)
class Asked:
    """One question about a user and an item.

    Attributes:
        question: what may be answered.
        messages: writes the chat that asks it.
        about: whom and what it is about, for an error.
    """

    question: Question
    messages: Callable[[], Messages]
    about: Callable[[], str]


def ask_all(server: ModelServer, cache: AnswerCache | None, asked: Sequence[Asked]) -> FloatArray:
    """The values of the answers, float32 (n,), in [0, 1].

    Those that the cache has are not asked again. Each new one is kept before the next is asked, so
    that a run which was killed or failed goes on where it stopped.

    Raises:
        SimulatorError: a question failed; names it, and the way to mend it.
    """
    values = np.empty(len(asked), dtype=np.float32)
    opened = nullcontext() if cache is None else cache.opened()
    with opened as kept, progress_bar("ask the model", len(asked)) as advance:
        for start in range(0, len(asked), AT_ONCE):
            some = asked[start : start + AT_ONCE]
            values[start : start + len(some)] = _ask_some(server, kept, some, advance)
    return values


def _ask_some(
    server: ModelServer,
    kept: OpenCache | None,
    asked: Sequence[Asked],
    advance: Callable[[int, str], None],
) -> list[float]:
    messages = [one.messages() for one in asked]
    keys = [
        key_of({"server": server.identity, "messages": chat, "values": dict(one.question.values)})
        for one, chat in zip(asked, messages, strict=True)
    ]
    known = {} if kept is None else kept.get(list(dict.fromkeys(keys)))
    cached = sum(key in known for key in keys)
    server.count(questions=len(asked), cached=cached)
    advance(cached, "")
    new = {
        key: (one, chat)
        for key, one, chat in zip(keys, asked, messages, strict=True)
        if key not in known
    }
    known |= _ask_server(server, kept, new, advance)
    return [known[key].value for key in keys]


def _ask_server(
    server: ModelServer,
    kept: OpenCache | None,
    new: Mapping[str, tuple[Asked, Messages]],
    advance: Callable[[int, str], None],
) -> dict[str, Reading]:
    def ask(key: str) -> Reading:
        one, messages = new[key]
        try:
            reading = server.ask(one.question, messages)
        except SimulatorError as error:
            raise SimulatorError(f"{one.about()}: {error}") from error
        if kept is not None:
            kept.put(key, reading)
        return reading

    pool = ThreadPoolExecutor(server.concurrency, "ask")
    try:
        futures = {pool.submit(ask, key): key for key in new}
        readings = {}
        for future in as_completed(futures):
            readings[futures[future]] = future.result()
            advance(1, "")
        return readings
    finally:
        pool.shutdown(cancel_futures=True)  # what is under way ends, and is kept
