"""A user in a few lines of plain text."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Sequence

from llmrec_env.common.arrays import IntArray
from llmrec_env.envs.next_item.rules import NextItemRules, Outcome

MODES = ("human", "ansi")
WIDTH = 100
TITLE_WIDTH = 40
SEPARATOR = " | "
ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")
"""ANSI sequences: colours and cursor moves, window titles, two-character commands."""


def draw(
    rules: NextItemRules, row: int, last: tuple[IntArray, Outcome] | None, limit: int | None
) -> str:
    """The user of a row: the items taken, the item shown, the answer, the patience left.

    Args:
        rules: the users.
        row: which of them.
        last: the actions and the outcome of the last step, or None before it.
        limit: steps after which an episode is cut, or None.
    """
    lines = [_headline(rules, row, limit), f"  took    {_history(rules, row)}"]
    if last is not None and rules.last_answer[row] != 0:
        lines += _answer(rules, row, *last)
    return "\n".join(lines)


def clean(text: str, width: int = TITLE_WIDTH) -> str:
    """Text of a catalogue, harmless in a terminal: one line, no control or formatting characters.

    Nothing here reads console markup, so square brackets stay as they are.
    """
    spaced = re.sub(r"\s", " ", ESCAPES.sub("", text))
    visible = "".join(c for c in spaced if unicodedata.category(c)[0] != "C")
    line = " ".join(visible.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def show(text: str) -> None:
    """Print text; characters that the terminal's encoding lacks become question marks."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding), flush=True)


def _headline(rules: NextItemRules, row: int, limit: int | None) -> str:
    user = clean(str(rules.initial_histories.ids[rules.users[row]]))
    steps = f"step {rules.steps[row]}" + ("" if limit is None else f" of {limit}")
    left = int(rules.patience_left[row])
    return f"user {user} · {steps} · patience {'●' * left}{'○' * (rules.patience - left)}"


def _history(rules: NextItemRules, row: int) -> str:
    items = rules.recent[row]
    catalogue = rules.simulator.catalogue
    return _last_of([clean(catalogue.titles[item]) for item in items if item < len(catalogue)])


def _last_of(titles: Sequence[str]) -> str:
    """As many of the last titles as fit in one line."""
    line = titles[-1]
    for title in reversed(titles[:-1]):
        if len(title) + len(SEPARATOR) + len(line) > WIDTH:
            return f"…{SEPARATOR}{line}"
        line = f"{title}{SEPARATOR}{line}"
    return line


def _answer(rules: NextItemRules, row: int, actions: IntArray, outcome: Outcome) -> list[str]:
    answer = "took it" if outcome.accepted[row] else "skipped it"
    reward = float(outcome.rewards[rules.reward_on][row])
    return [
        f"  shown   {clean(rules.simulator.catalogue.titles[actions[row]])}",
        f"  answer  {answer} · reward {reward:.2f}",
    ]
