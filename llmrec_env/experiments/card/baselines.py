"""Baselines of a card: rows of the tables of fidelity; validation users choose their settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.common.progress import track
from llmrec_env.common.wording import own_names
from llmrec_env.data.source import Source
from llmrec_env.evaluation.fidelity.liking import LaterRatings
from llmrec_env.evaluation.fidelity.moments import TAKEN, Moments
from llmrec_env.evaluation.fidelity.orders import pair_wins
from llmrec_env.experiments.fidelity.lesson import Lesson, LikedRule
from llmrec_env.experiments.fidelity.rows import ROWS
from llmrec_env.experiments.fidelity.rows.base import Row
from llmrec_env.experiments.fidelity.rows.entry import Means
from llmrec_env.users.base import Feedback, Histories

BASELINES = ("item-knn", "implicit-mf", "ease", "text", "sasrec")
"""Rows that may stand in a card; popularity always does."""
USUAL = BASELINES[:-1]
"""Those that learn within a minute or two."""
LABELS = {"implicit-mf": "matrix factorisation", "text": "frozen text"}


@dataclass
class Chosen:
    """A row in the setting that validation users prefer, for each of the two questions."""

    likes: bool
    takes: bool
    liker: Row | None
    taker: Row | None

    def liking(self, histories: Histories, feedback: Feedback, candidates: IntArray) -> FloatArray:
        """Of the setting whose liking is best."""
        assert self.liker is not None
        return self.liker.liking(histories, feedback, candidates)

    def acceptance(
        self, histories: Histories, feedback: Feedback, candidates: IntArray
    ) -> FloatArray:
        """Of the setting that tells best what is taken."""
        assert self.taker is not None
        return self.taker.acceptance(histories, feedback, candidates)


def named_baselines(names: Sequence[str]) -> tuple[str, ...]:
    """The baselines that names or the labels of a card's tables mean, in any case.

    Raises:
        SettingError: a name is not in :data:`BASELINES`.
    """
    found = own_names(names, {name: LABELS.get(name, ROWS[name].label) for name in BASELINES})
    unknown = [name for name in found if name not in BASELINES]
    if unknown:
        raise SettingError(
            f"baselines must be some of {', '.join(BASELINES)}, got {', '.join(unknown)}"
        )
    return found


def fit_baselines(
    names: Sequence[str], source: Source, seed: int, folder: Path, budget: float = 1.0
) -> dict[str, Chosen]:
    """Fit rows on the training users of a log, choosing among their settings.

    Args:
        names: some of :data:`BASELINES`.
        source: the log and its split.
        seed: of whatever they draw.
        folder: where they may keep what they would lose if they were killed.
        budget: factor on the training lengths of rows that learn by steps.

    Raises:
        SettingError: there is no such baseline.
        MissingExtraError: the extra ``bench`` is not installed.
    """
    names = named_baselines(names)
    train, validation, _ = source.split
    lesson = Lesson(train, validation, LikedRule(), source.log.is_ordered, seed)
    moments, later = Moments.of(train, validation, seed), LaterRatings.of(validation, seed)
    found = {}
    for name in names:
        entry = ROWS[name]
        if entry.reads and not source.log.catalogue.has_text:
            continue
        grid = entry.grid(lesson, Means(budget))
        label = LABELS.get(name, entry.label)
        found[label] = _choose(grid, lesson, moments, later, folder / name, label)
    return found


def _choose(
    grid: Sequence[Row],
    lesson: Lesson,
    moments: Moments,
    later: LaterRatings | None,
    folder: Path,
    label: str,
) -> Chosen:
    best: dict[str, tuple[float, Row]] = {}
    for number, row in enumerate(track(grid, f"fit {label}")):
        row.fit(lesson, folder / str(number))
        values = {}
        if row.takes:
            values["taking"] = _accuracy(moments, row)
        if row.likes and later is not None:
            values["liking"] = float(later.agreements(later.scored(row)).mean())
        for question, value in values.items():
            if question not in best or value > best[question][0]:
                best[question] = (value, row)
    liker, taker = (best.get(question, (0.0, None))[1] for question in ("liking", "taking"))
    return Chosen(liker is not None, taker is not None, liker, taker)


def _accuracy(moments: Moments, row: Row) -> float:
    """How often a row puts the item taken above a popular one that never was."""
    scores = moments.scored(row)
    known = moments.goes_on & (moments.candidates[:, 2] >= 0)
    wins = pair_wins(scores[known, TAKEN], scores[known, 2:3])
    return float(np.mean(wins))
