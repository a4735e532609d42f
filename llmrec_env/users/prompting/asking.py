"""Asks many questions at once, and keeps each answer as it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.progress import progress_bar
from llmrec_env.users.prompting.cache import AnswerCache, key_of
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

    Those that the cache has are not asked again. Each new one is kept as soon as it is there, so
    that a run which was killed or failed goes on where it stopped.

    Raises:
        SimulatorError: a question failed; names it, and the way to mend it.
    """
    values = np.empty(len(asked), dtype=np.float32)
    with progress_bar("ask the model", len(asked)) as advance:
        for start in range(0, len(asked), AT_ONCE):
            some = asked[start : start + AT_ONCE]
            values[start : start + len(some)] = _ask_some(server, cache, some, advance)
    return values


def _ask_some(
    server: ModelServer,
    cache: AnswerCache | None,
    asked: Sequence[Asked],
    advance: Callable[[int, str], None],
) -> list[float]:
    messages = [one.messages() for one in asked]
    keys = [
        key_of({"server": server.identity, "messages": chat, "values": dict(one.question.values)})
        for one, chat in zip(asked, messages, strict=True)
    ]
    known = {} if cache is None else cache.get(list(dict.fromkeys(keys)))
    places = {key: place for place, key in enumerate(keys) if key not in known}
    cached = sum(key in known for key in keys)
    server.count(questions=len(asked), cached=cached)
    advance(cached, "")
    new = {key: (asked[place], messages[place]) for key, place in places.items()}
    known |= _ask_server(server, cache, new, advance)
    return [known[key].value for key in keys]


def _ask_server(
    server: ModelServer,
    cache: AnswerCache | None,
    new: dict[str, tuple[Asked, Messages]],
    advance: Callable[[int, str], None],
) -> dict[str, Reading]:
    readings: dict[str, Reading] = {}
    if not new:
        return readings
    pool = ThreadPoolExecutor(min(server.concurrency, len(new)), "ask")
    try:
        waiting = {
            pool.submit(server.ask, one.question, messages): key
            for key, (one, messages) in new.items()
        }
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            whole = {waiting[future]: future.result() for future in done if not future.exception()}
            if cache is not None and whole:
                cache.put(whole)
            readings |= whole
            advance(len(done), "")
            for future in done:
                _raise_named(future, new[waiting.pop(future)][0])
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return readings


def _raise_named(future: Future[Reading], one: Asked) -> None:
    error = future.exception()
    if isinstance(error, SimulatorError):
        raise SimulatorError(f"{one.about()}: {error}") from error
    if error is not None:
        raise error
