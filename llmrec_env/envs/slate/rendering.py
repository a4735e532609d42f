"""Renders a user's episode with lists as a few lines of text, for ``render``."""

from __future__ import annotations

from llmrec_env.envs.common.rendering import clean
from llmrec_env.envs.next_item.rendering import headline, history
from llmrec_env.envs.slate.rules import SlateOutcome, SlateRules


def draw(rules: SlateRules, row: int, outcome: SlateOutcome | None) -> str:
    """The user of a row: the items taken, the list shown, what was looked at, and the answer.

    Args:
        rules: the users.
        row: which of them.
        outcome: what the last step brought, or None before it.
    """
    lines = [headline(rules, row), f"  took    {history(rules, row)}"]
    if outcome is not None and rules.last_answer[row] != 0:
        titles = rules.simulator.catalogue.titles
        for place, item in enumerate(outcome.slates[row].tolist()):
            lines.append(f"  {place + 1:>4}    {clean(titles[item])}{_mark(outcome, row, place)}")
        lines.append(f"  answer  {_answer(outcome, row)} · reward {outcome.reward[row]:.2f}")
    return "\n".join(lines)


def _mark(outcome: SlateOutcome, row: int, place: int) -> str:
    return "  ◂ looked at" if place == outcome.places[row] else ""


def _answer(outcome: SlateOutcome, row: int) -> str:
    if outcome.places[row] < 0:
        return "passed all of it over"
    return "took it" if outcome.accepted[row] else "skipped it"
