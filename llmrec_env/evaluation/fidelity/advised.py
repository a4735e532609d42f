"""``Advice``: one figure of a card that is bad, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from llmrec_env.evaluation.intervals import Interval


@dataclass(frozen=True)
class Advice:
    """A figure that is bad, and what to do.

    Attributes:
        figure: which one, with its value.
        sentence: what it means, and what to do.
    """

    figure: str
    sentence: str


def shown(found: Interval) -> str:
    """A figure with its interval, as text."""
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"
