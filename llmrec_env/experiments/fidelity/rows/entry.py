"""``Entry``: a row that a table can show, and ``Means``: what it is given to learn with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llmrec_env.experiments.fidelity.lesson import Lesson
from llmrec_env.experiments.fidelity.rows.base import Row


@dataclass(frozen=True)
class Means:
    """What rows are given beside a lesson.

    Attributes:
        budget: factor on the training lengths of rows that learn by steps.
        base_model: hub name or folder of the language model of the rows that need one.
        item_encoder: of the sentence encoder, likewise.
        base_url: address of the server of the prompted rows.
        prompt_model: the name by which it knows their model.
    """

    budget: float = 1.0
    base_model: str | None = None
    item_encoder: str | None = None
    base_url: str | None = None
    prompt_model: str | None = None

    def steps(self, full: int) -> int:
        """A training length under the budget."""
        return max(1, round(full * self.budget))


Grid = Callable[[Lesson, Means], Sequence[Row]]
"""The settings tried on a lesson."""


@dataclass(frozen=True)
class Entry:
    """A row that can be asked for.

    Attributes:
        label: what tables call it.
        grid: its settings.
        rated: whether it has something to say only where the log has ratings.
        needs: the settings of :class:`Means` without which it cannot be.
        reads: whether it has something to say only where items have texts.
    """

    label: str
    grid: Grid
    rated: bool = False
    needs: tuple[str, ...] = ()
    reads: bool = False
