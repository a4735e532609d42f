"""Renders a user's episode as a few lines of text, for ``render``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmrec_env.envs.common.rendering import WIDTH, clean
from llmrec_env.envs.next_item.rules import NextItemRules, Outcome
from llmrec_env.envs.next_item.users_in_episodes import UsersInEpisodes

SEPARATOR = " | "
MAX_DOTS = 20


def draw(rules: NextItemRules, row: int, outcome: Outcome | None) -> str:
    """The user of a row: the items taken, the item shown, the answer, the patience left.

    Args:
        rules: the users.
        row: which of them.
        outcome: what the last step brought, or None before it.
    """
    lines = [headline(rules, row), f"  took    {history(rules, row)}"]
    if outcome is not None and rules.last_answer[row] != 0:
        lines += _answer(rules, row, outcome)
    return "\n".join(lines)


def headline(rules: UsersInEpisodes[Any], row: int) -> str:
    """Who the user is, which step, and how much patience is left."""
    user = clean(str(rules.initial_histories.ids[rules.users[row]]))
    steps = f"step {rules.steps[row]}" + ("" if rules.limit is None else f" of {rules.limit}")
    left = int(rules.patience_left[row])
    return f"user {user} · {steps} · patience {_patience(left, rules.patience)}"


def _patience(left: int, whole: int) -> str:
    """A dot for each skip that is borne, or numbers where there are many."""
    return "●" * left + "○" * (whole - left) if whole <= MAX_DOTS else f"{left} of {whole}"


def history(rules: UsersInEpisodes[Any], row: int) -> str:
    """The titles of the items that the user took, as many as fit."""
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


def _answer(rules: NextItemRules, row: int, outcome: Outcome) -> list[str]:
    answer = "took it" if outcome.accepted[row] else "skipped it"
    return [
        f"  shown   {clean(rules.simulator.catalogue.titles[outcome.items[row]])}",
        f"  answer  {answer} · reward {outcome.reward[row]:.2f}",
    ]
