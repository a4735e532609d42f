"""A number that an option does not take is refused at once, by every option of every command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from llmrec_env.cli import app

BAD = {
    int: ("-1", "1.5", "x", "", "nan", "inf", "1e3", "9" * 12, "9" * 400, "[/red]"),
    float: ("-0.1", "0", "x", "", "nan", "inf", "-inf", "1e400", "[/red]"),
}

PROGRAM = typer.main.get_command(app)
"""Made once: that takes a while, and there are hundreds of options."""


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands that do something, by the words that call them."""
    for name, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, (*words, name))
    if command.params and words:
        yield words, command


def kind_of(option: Any) -> type | None:
    """Whether an option takes whole numbers or any."""
    shown = type(option.get_default(typer.Context(PROGRAM)))
    if shown in (int, float):
        return shown
    text = f"{getattr(option, 'type', '')} {getattr(option, 'type_descriptor', '')}".lower()
    whole = "<class 'int'>" in text or "integer" in text or "intrange" in text
    return int if whole else float if "<class 'float'>" in text or "floatrange" in text else None


OPTIONS = [
    pytest.param(words, command, option, id=" ".join((*words, option.opts[0])))
    for words, command in commands(PROGRAM)
    for option in command.params
    if kind_of(option) is not None
]

GOOD = {"--min-rating": {"-0.1", "0"}, "--prior": {"0"}, "serve --epsilon": {"0"}}
"""Values that are bad for other options, or for the same one of other commands."""


def test_numeric_options_are_found() -> None:
    found = {param.id for param in OPTIONS}
    assert len(found) > 35
    assert {"fit --share", "demo --seed", "label --actors", "bench offline --steps"} <= found
    assert {"shop train --goal-seed", "bench --budget", "shop play --goal"} <= found


@pytest.mark.parametrize(("words", "command", "option"), OPTIONS)
def test_bad_numbers_are_refused_before_any_work(
    words: tuple[str, ...],
    command: Any,
    option: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    needed = []
    for other in command.params:
        if other.required:
            needed += [other.opts[0], "here"] if other.opts[0].startswith("-") else ["here"]
    kind = kind_of(option)
    assert kind is not None
    good = GOOD.get(option.opts[0], set()) | GOOD.get(f"{words[0]} {option.opts[0]}", set())
    for value in set(BAD[kind]) - good:
        result = CliRunner().invoke(app, [*words, *needed, f"{option.opts[0]}={value}"])
        assert result.exit_code == 2, (value, result.output)
        assert option.opts[0] in result.output
        assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())
