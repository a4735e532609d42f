"""What stands on a command's line: which options were typed, and the line itself."""

from __future__ import annotations

import shlex
from typing import Any

import typer

from llmrec_env.common.errors import SettingError


def typed(context: typer.Context) -> list[Any]:
    """The options and arguments of a command that stand on its command line."""
    return [
        parameter
        for parameter in context.command.params
        if (source := context.get_parameter_source(parameter.name or "")) is not None
        and source.name == "COMMANDLINE"
    ]


def refuse_typed(context: typer.Context, why: str, *names: str) -> None:
    """Refuse options that the command, as it was asked for, would pass over.

    Args:
        context: of the command.
        why: what passes them over, as the beginning of a sentence.
        names: of the options' parameters.

    Raises:
        SettingError: one of them was typed.
    """
    if given := [one.opts[0] for one in typed(context) if one.name in names]:
        raise SettingError(f"{why}: leave out {', '.join(given)}")


def typed_command(context: typer.Context) -> str:
    """The command line that a command was given, with every option that was typed."""
    words, above = [context.info_name or ""], context.parent
    while above is not None:  # the program may go by another name
        words.insert(0, (above.info_name or "") if above.parent else "llmrec")
        above = above.parent
    for parameter in typed(context):
        value = context.params[parameter.name or ""]
        if parameter.param_type_name == "argument":
            words.append(str(value))
        elif isinstance(value, bool):
            words.append((parameter.opts if value else parameter.secondary_opts)[0])
        else:
            several = value if isinstance(value, list | tuple) else [value]
            words += [word for own in several for word in (parameter.opts[0], str(own))]
    return shlex.join(words)
