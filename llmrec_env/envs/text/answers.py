"""``read_answer``: the action that a language model's answer names, in whatever form it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

LONGEST_ANSWER = 20_000
"""Characters of an answer that are read, its last ones."""
LONGEST_ARGUMENT = 1000
"""Characters within which a bare ``verb[…]`` is closed: an answer that opens many and closes none
is read in time."""
THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)
TAGGED = re.compile(r"<action>((?:(?!<action>).)*?)</action>", re.DOTALL | re.IGNORECASE)
CALLED = re.compile(r"<tool_call>((?:(?!<tool_call>).)*?)</tool_call>", re.DOTALL)
BOXED = "\\boxed{"
CLOSES = {"[": "]", "{": "}"}


def read_answer(answer: str, verbs: Sequence[str] = ("search", "click")) -> str | None:
    """The action that an answer names last; None where it names none.

    Read are, the first of them that there is: ``<action>…</action>``; ``\\boxed{…}``; a tool call
    as models write it, ``{"name": "click", "arguments": {"value": "buy now"}}``, alone or between
    ``<tool_call>`` and ``</tool_call>``; ``click[…]`` or another verb anywhere in a line. What
    stands between ``<think>`` and ``</think>`` is no answer, and an unfinished thought ends it.

    Args:
        answer: what the model wrote.
        verbs: the verbs of the environment's actions.

    Returns:
        ``verb[argument]``, or what stood between the tags where that has no verb. Whether it may be
        done now, only the environment knows.
    """
    text = answer[-LONGEST_ANSWER:]
    if usual := _forms(tuple(verbs)).tagged.fullmatch(text):
        return f"{usual[1].lower()}[{usual[2]}]"
    text = THOUGHT.sub(" ", text)
    for found in (_last(TAGGED, text), _boxed(text)):
        if found is not None:
            return _called(found, verbs) or _bare(found, verbs) or found.strip() or None
    call = _last(CALLED, text)
    return _called(text if call is None else call, verbs) or _bare(text, verbs)


def _last(form: re.Pattern[str], text: str) -> str | None:
    found = form.findall(text)
    return found[-1] if found else None


def _boxed(text: str) -> str | None:
    """What the last ``\\boxed{…}`` holds, to its own closing brace."""
    start = text.rfind(BOXED)
    return None if start < 0 else _inside(text, start + len(BOXED) - 1)


def _bare(text: str, verbs: Sequence[str]) -> str | None:
    """The last ``verb[…]`` of a text, to its closing bracket in the same line."""
    forms = _forms(tuple(verbs))
    if action := forms.alone.fullmatch(text):
        return f"{action[1].lower()}[{action[2]}]"
    for start in reversed(list(forms.opening.finditer(text))):
        line = text[start.end() - 1 : start.end() + LONGEST_ARGUMENT].split("\n", 1)[0]
        argument = _inside(line, 0)
        if argument is not None:
            return f"{start[1].lower()}[{argument}]"
    return None


class Forms(NamedTuple):
    """Patterns of the actions of some verbs.

    Attributes:
        alone: ``verb[…]`` and nothing else, without brackets inside.
        tagged: the same between the only tags of an answer, which is how most answers end.
        opening: how one begins anywhere.
    """

    alone: re.Pattern[str]
    tagged: re.Pattern[str]
    opening: re.Pattern[str]


@lru_cache(maxsize=16)
def _forms(verbs: tuple[str, ...]) -> Forms:
    known = "|".join(map(re.escape, verbs))
    alone = rf"\s*({known})\s*\[([^\[\]\n<]{{0,{LONGEST_ARGUMENT - 1}}})\]\s*"
    patterns = (alone, rf"[^<]*<action>{alone}</action>[^<]*", rf"\b({known})\s*\[")
    return Forms(*(re.compile(pattern, re.IGNORECASE) for pattern in patterns))


def _inside(text: str, start: int) -> str | None:
    """What stands between the bracket at ``start`` and the one that closes it."""
    opens = text[start]
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == opens) - (text[place] == CLOSES[opens])
        if depth == 0:
            return text[start + 1 : place]
    return None


def _called(text: str, verbs: Sequence[str]) -> str | None:
    """The action of a tool call in JSON; None where it is none, or of another tool."""
    text = text.strip()
    if not text.startswith("{"):
        return None
    try:
        call: Any = json.loads(text)
        call = call.get("function", call)
        arguments = call.get("arguments", call)
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
        name = str(call["name"]).lower()
        values = [own for key, own in arguments.items() if isinstance(own, str) and key != "name"]
    except (ValueError, KeyError, AttributeError, RecursionError):
        return None
    return f"{name}[{values[0]}]" if name in verbs and values else None
