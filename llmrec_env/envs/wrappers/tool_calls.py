"""Reads what a language-model agent writes as a call of a tool."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from llmrec_env.common.wording import shown

LONGEST_CALL = 500
"""Characters of an action, at most."""
CALL = re.compile(r"\s*(\w+)\s*\[(.*)\]\s*", re.DOTALL)
ARGUMENTS = {"search": "query", "look": "item", "recommend": "item"}
"""The tools, each with the name of its one argument."""
FORMS = "search[words], look[item id or title] or recommend[item id or title]"


class CallError(ValueError):
    """A text that is no call of a tool; the message is for the agent that wrote it."""


class ToolCall(NamedTuple):
    """A tool, and what it is called with."""

    tool: str
    text: str


def read_call(action: Any) -> ToolCall:
    """The call that an action stands for.

    Args:
        action: ``search[words]``, ``look[item]``, ``recommend[item]``, or JSON: ``{"tool":
            "search", "query": "words"}``, or as the interfaces of language models write it,
            ``{"name": "search", "arguments": {"query": "words"}}``, where the arguments may be a
            text of JSON and all of it may stand under ``"function"``.

    Raises:
        CallError: it is no call.
    """
    if not isinstance(action, str):
        raise CallError(f"an action is a text, not {shown(action)}: {FORMS}")
    if len(action) > LONGEST_CALL:
        raise CallError(f"an action has at most {LONGEST_CALL} characters, this one {len(action)}")
    if action.lstrip().startswith("{"):
        return _of_json(_parsed(action))
    match = CALL.fullmatch(action)
    if match is None:
        raise CallError(f"no action: write {FORMS}, and nothing beside it")
    return _call(match[1], match[2])


def schemas() -> list[dict[str, Any]]:
    """The tools as the interfaces of language models take them (``tools=`` of OpenAI's)."""
    search = "Words to look for in titles and descriptions."
    item = "The id of the item, or its exact title."
    return [
        _schema("search", "Search the catalogue. Costs a turn, no patience.", search),
        _schema("look", "Read all about one item. Costs a turn, no patience.", item),
        _schema("recommend", "Show one item to the user, who takes it or skips it.", item),
    ]


def _schema(tool: str, description: str, argument: str) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {ARGUMENTS[tool]: {"type": "string", "description": argument}},
        "required": [ARGUMENTS[tool]],
        "additionalProperties": False,
    }
    function = {"name": tool, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def _of_json(call: Any) -> ToolCall:
    call = call.get("function", call)
    if not isinstance(call, dict):
        raise CallError('"function" must be an object with "name" and "arguments"')
    tool = call.get("tool", call.get("name"))
    arguments = call.get("arguments", call)
    if isinstance(arguments, str):
        arguments = _parsed(arguments)
    if not isinstance(arguments, dict):
        raise CallError(f'"arguments" must be an object, not {shown(arguments)}')
    known = _known(tool)
    text = arguments.get(ARGUMENTS[known])
    if not isinstance(text, str):
        raise CallError(f'{known} needs "{ARGUMENTS[known]}", a text')
    return _call(known, text)


def _parsed(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise CallError(f"this is no valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise CallError(f"a call in JSON is an object, not {shown(value)}")
    return value


def _known(tool: Any) -> str:
    name = tool.lower() if isinstance(tool, str) else None
    if name not in ARGUMENTS:
        raise CallError(f"there is no tool {shown(tool)}: write {FORMS}")
    return name


def _call(tool: str, text: str) -> ToolCall:
    known = _known(tool)
    if not text.strip():
        raise CallError(f"{known} needs a text: {FORMS}")
    return ToolCall(known, text.strip())
