"""``ModelServer``: asks a model behind an OpenAI-compatible server, and counts what that costs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from llmrec_env.common.errors import SettingError, SimulatorError
from llmrec_env.common.extras import require
from llmrec_env.common.settings_types import check_types
from llmrec_env.common.wording import shown
from llmrec_env.users.prompting.failures import (
    BrokenAnswer,
    RequestRefused,
    broken,
    failure,
    first_choice,
)
from llmrec_env.users.prompting.prompts import Messages
from llmrec_env.users.prompting.questions import Question, Reading
from llmrec_env.users.prompting.usage import Usage
from llmrec_env.users.prompting.ways import BY_PROBABILITY, BY_WORDS, Way

FIRST_DELAY, LONGEST_DELAY = 0.5, 8.0
"""Seconds before a broken answer is asked for again: doubled each time, as the client does."""


@dataclass(eq=False)
class ModelServer:
    """A model behind a server with OpenAI's chat completions: llama.cpp, vLLM, Ollama, and others.

    ``OPENAI_API_KEY`` is sent along where it is set. Answers are read from log-probabilities where
    the server gives them, else from a constrained answer, else from words; what the server turns
    out to know holds for all later questions. Needs the extra ``openai``.

    Args:
        model: the name by which the server knows it.
        base_url: such as ``http://localhost:8000/v1``; None: OpenAI's.
        timeout: seconds that the server may be silent before a request counts as failed.
        retries: repeats of a request that failed on the way, that the server was too busy for
            (408, 429, 5xx), or whose answer was broken; waiting .5 s at first, twice as long each
            time up to 8 s, or as long as the server says.
        concurrency: requests at once, at most.
        log_probabilities: False reads words alone, as a model that reasons first needs.
        request: further fields of every request, which go before our own; None leaves one out.
            Such as ``{"max_tokens": 2000}``, or ``{"extra_body": {"chat_template_kwargs":
            {"enable_thinking": False}}}``.
        prices: of a million tokens, read and written; for :attr:`cost`.

    Raises:
        SettingError: a setting is of another type or out of range.
    """

    model: str
    base_url: str | None = None
    timeout: float = 60.0
    retries: int = 5
    concurrency: int = 8
    log_probabilities: bool = True
    request: Mapping[str, Any] = field(default_factory=dict)
    prices: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_types(self)
        for name, least in (("timeout", 1e-3), ("retries", 0), ("concurrency", 1)):
            if not getattr(self, name) >= least:
                raise SettingError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.base_url is not None and not self.base_url.startswith(("http://", "https://")):
            raise SettingError(
                f"base_url must begin with http:// or https://, got {self.base_url!r}"
            )
        self._lock = threading.Lock()
        self._usage = Usage()
        ways = (*BY_PROBABILITY, *BY_WORDS) if self.log_probabilities else BY_WORDS
        self._ways: tuple[Way, ...] = ways

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: the settings, and neither connections nor keys."""
        return {name: value for name, value in self.__dict__.items() if name not in UNPICKLED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Count anew, in the process that unpickles it."""
        self.__dict__.update(state)
        self._lock, self._usage = threading.Lock(), Usage()

    @property
    def identity(self) -> dict[str, Any]:
        """What answers depend on: the model, where it is, and how it is asked."""
        names = ("model", "base_url", "log_probabilities")
        return {name: getattr(self, name) for name in names} | {"request": dict(self.request)}

    @property
    def usage(self) -> Usage:
        """What was asked so far; a copy."""
        with self._lock:
            return replace(self._usage)

    @property
    def cost(self) -> float:
        """What the tokens cost so far, at ``prices``.

        Raises:
            SettingError: no prices were given.
        """
        return self.usage.cost(self.prices)

    @property
    def way(self) -> str:
        """How the server is asked, as far as it is known by now."""
        return self._ways[0].name

    def count(self, **more: int) -> None:
        """Add to :attr:`usage`."""
        with self._lock:
            for name, value in more.items():
                setattr(self._usage, name, getattr(self._usage, name) + value)

    def ask(self, question: Question, messages: Messages) -> Reading:
        """The model's answer to one question.

        Args:
            question: what may be answered.
            messages: the chat that asks it.

        Raises:
            SimulatorError: the server does not answer, refuses, or the model answers something
                else; says how to mend it.
        """
        understood, refused = False, None
        for way in self._ways:
            try:
                choice = self._choice(messages, way.options(question))
            except RequestRefused as error:  # of this way perhaps, so the next one is tried
                refused = error
                continue
            if way.alternatives and not _alternatives(choice):
                continue
            if not understood:
                understood = True
                self._begin_with(way)
            reading = _read(question, way, choice)
            if reading is not None:
                return reading
            self.count(unreadable=1)
        if not understood and refused is not None:
            raise refused
        return self._ask_again(question, messages, choice.message.content or "")

    def _ask_again(self, question: Question, messages: Messages, said: str) -> Reading:
        """Remind the model of the answers that there are, once."""
        reminded = [
            {"role": "assistant", "content": said},
            {"role": "user", "content": question.reminder},
        ]
        choice = self._choice((*messages, *reminded), BY_WORDS[-1].options(question))
        reading = _read(question, BY_WORDS[-1], choice)
        if reading is None:
            said = choice.message.content or ""
            raise SimulatorError(
                f"it answers {shown(said)}, which is none of {', '.join(question.values)}; name "
                "another model, or word the question otherwise (PromptSettings)"
            )
        return reading

    def _begin_with(self, way: Way) -> None:
        """Ask no more in the ways before this one, which the server does not know."""
        with self._lock:
            self._ways = self._ways[self._ways.index(way) :] if way in self._ways else self._ways

    def _choice(self, messages: Messages, options: Mapping[str, Any]) -> Any:
        """The first choice of a completion; what is broken is asked for again."""
        fields = {**options, **self.request, "model": self.model, "messages": list(messages)}
        fields = {name: value for name, value in fields.items() if value is not None}
        for attempt in range(self.retries + 1):
            try:
                completion = self._client.chat.completions.create(**fields)
                choice = first_choice(completion)
            except (BrokenAnswer, ValueError) as error:  # a ValueError: no JSON
                if attempt == self.retries:
                    raise broken(error) from error
                self.count(retries=1)
                time.sleep(min(FIRST_DELAY * 2**attempt, LONGEST_DELAY))
                continue
            except self._library.OpenAIError as error:
                raise failure(error) from error
            self._count_tokens(completion.usage)
            return choice
        raise AssertionError("unreachable")

    def _count_tokens(self, usage: Any) -> None:
        if usage is None:
            return
        details = getattr(usage, "prompt_tokens_details", None)
        self.count(
            prompt_tokens=usage.prompt_tokens or 0,
            reused_tokens=getattr(details, "cached_tokens", None) or 0,
            completion_tokens=usage.completion_tokens or 0,
        )

    @property
    def _library(self) -> Any:
        return require("openai", "openai")

    @cached_property
    def _client(self) -> Any:
        """Made at the first question: connections and keys stay in the process that asks."""
        return self._library.OpenAI(
            base_url=self.base_url,
            api_key=os.environ.get("OPENAI_API_KEY") or "none",  # local servers ask for none
            timeout=self.timeout,
            max_retries=self.retries,
            http_client=self._library.DefaultHttpxClient(
                event_hooks={"request": [self._count_request]}
            ),
        )

    def _count_request(self, request: Any) -> None:
        again = request.headers.get("x-stainless-retry-count", "0") != "0"
        self.count(requests=1, retries=int(again))


UNPICKLED = ("_client", "_lock", "_usage")


def _alternatives(choice: Any) -> list[tuple[str, float]]:
    """What the model's first token could have been, with log-probabilities; empty if not told."""
    tokens = getattr(getattr(choice, "logprobs", None), "content", None)
    if not tokens:
        return []
    return [(one.token, one.logprob) for one in tokens[0].top_logprobs or ()]


def _read(question: Question, way: Way, choice: Any) -> Reading | None:
    if way.alternatives:
        return question.expected(_alternatives(choice))
    return question.parsed(choice.message.content or "")
