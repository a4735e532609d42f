"""What a server does wrong, each in one line with the way to mend it."""

from __future__ import annotations

from typing import Any

from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.wording import shown

MENDS = {
    "APITimeoutError": "give ModelServer a longer timeout= or a lower concurrency=",
    "APIConnectionError": "start it, or correct base_url= (--base-url)",
    "AuthenticationError": "set OPENAI_API_KEY to a key that it knows",
    "PermissionDeniedError": "set OPENAI_API_KEY to a key that may ask this model",
    "NotFoundError": "correct model= (--prompt-model), and base_url= (--base-url), which often "
    "ends in /v1",
    "RateLimitError": "give ModelServer a lower concurrency= or more retries=",
    "BadRequestError": "show less with PromptSettings(history=, characters=), or correct request=",
    "UnprocessableEntityError": "correct request=",
}
"""By the name of the client's error; the first that fits, its base classes after itself."""


class RequestRefused(SimulatorError):
    """The server refuses a field of the request, or what it says."""


class BrokenAnswer(Exception):
    """What came back is no chat completion."""


def failure(error: Exception) -> SimulatorError:
    """An error of the client in our words; a refused request is a :class:`RequestRefused`."""
    names = [kind.__name__ for kind in type(error).__mro__]
    mend = next((MENDS[name] for name in names if name in MENDS), "look at what it logs")
    refused = names[0] in ("BadRequestError", "UnprocessableEntityError")
    kind = RequestRefused if refused else SimulatorError
    return kind(f"{_reason(error)}; {mend}")


def _reason(error: Exception) -> str:
    said = " ".join(str(error).split()).rstrip(".")
    cause = " ".join(str(error.__cause__ or "").split())
    return said[:300] + (f" ({cause[:200]})" if cause and cause not in said else "")


def broken(error: Exception) -> SimulatorError:
    """The error of a server whose answers stayed broken."""
    return SimulatorError(f"{error}; name a server with OpenAI's chat completions in base_url=")


def first_choice(completion: Any) -> Any:
    """The first choice of a chat completion.

    Raises:
        BrokenAnswer: it has none, or is something else.
    """
    choices = getattr(completion, "choices", None)
    if not isinstance(choices, list) or not choices or getattr(choices[0], "message", None) is None:
        raise BrokenAnswer(f"its answer is no chat completion: {shown(completion)}")
    return choices[0]
