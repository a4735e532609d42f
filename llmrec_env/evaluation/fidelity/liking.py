"""Are a held-out user's later ratings told from the earlier ones?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import Float64Array, FloatArray, IntArray, chunks
from llmrec_env.data.feedback import Source, told
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.fidelity.acceptance import mean_over_users
from llmrec_env.evaluation.fidelity.drawing import USERS
from llmrec_env.evaluation.fidelity.moments import ASKED, Baseline, answers
from llmrec_env.evaluation.fidelity.orders import agreement, area_under_curve
from llmrec_env.evaluation.intervals import Interval
from llmrec_env.users.base import UserSimulator

FEWEST, MOST = 5, 50
"""Later ratings of a user who is judged: at least, not all the same, and at most."""
SOURCES: tuple[Source, ...] = ("rating", "liked", "weight")


def rated_by(log: InteractionLog) -> Source | None:
    """The column that says how items were liked; None where there is none."""
    return next((source for source in SOURCES if source in log.feedback.columns), None)


@dataclass(frozen=True, eq=False)
class LaterRatings:
    """Users whose first half is read, and who are asked about later items that they rated.

    Attributes:
        log: the users.
        source: the column of the ratings.
        users: int64 (N,), rows of the log.
        cuts: int64 (N,), how many items are read of each.
        candidates: int64 (N, C), later items, each row repeated from its beginning where short.
        ratings: what each user says of their own, N arrays; the first of the candidates' rows.
    """

    log: InteractionLog
    source: Source
    users: IntArray
    cuts: IntArray
    candidates: IntArray
    ratings: list[FloatArray]

    @classmethod
    def of(cls, log: InteractionLog, seed: int) -> LaterRatings | None:
        """Users with enough ratings; None where the log has none."""
        source = rated_by(log)
        if source is None:
            return None
        ratings, rng = told(log, source), np.random.default_rng([seed, 32])
        cuts = np.maximum(np.maximum(log.lengths // 2, 1), log.first_target)
        users, asked, known = [], [], []
        for user in rng.permutation(log.n_users).tolist():
            rows = np.arange(log.offsets[user] + cuts[user], log.offsets[user + 1])
            rows = rng.permutation(rows[~np.isnan(ratings[rows])])[:MOST]
            if len(rows) >= FEWEST and ratings[rows].min() < ratings[rows].max():
                users.append(user)
                asked.append(log.items[rows])
                known.append(ratings[rows])
            if len(users) == USERS:
                break
        if not users:
            return None
        width = max(map(len, asked))
        candidates = np.stack([np.resize(items, width) for items in asked])
        chosen = np.array(users, dtype=np.int64)
        return cls(log, source, chosen, cuts[chosen], candidates, known)

    def simulated(self, simulator: UserSimulator) -> FloatArray:
        """A simulator's rewards of the candidates, float32 (N, C)."""
        return answers(
            simulator.with_users(self.log),
            [self.log.sequence(u)[:cut] for u, cut in self._cut],
            self.users,
            self._feedback(simulator.feedback_source),
            self.candidates,
        ).reward

    def scored(self, baseline: Baseline) -> FloatArray:
        """A baseline's likings of them, float32 (N, C)."""
        feedback = self._feedback(self.source)
        histories = [self.log.sequence(u)[:cut] for u, cut in self._cut]
        parts = [
            baseline.liking(
                [histories[row] for row in rows],
                [feedback[row] for row in rows],
                self.candidates[rows],
            )
            for rows in chunks(np.arange(len(self.users)), ASKED)
        ]
        return np.concatenate(parts)

    def measures(self, scores: FloatArray, seed: int) -> dict[str, Interval]:
        """Spearman's correlation with the ratings and the AUC of likes, means over users.

        A like is a rating above the mean of those that were read; users of whom all or none of the
        later ones are liked have no AUC.
        """
        own = [row[: len(true)] for row, true in zip(scores, self.ratings, strict=True)]
        read = self._feedback(self.source)
        areas = [
            area_under_curve(row, true > np.nanmean(known)) if (~np.isnan(known)).any() else None
            for row, true, known in zip(own, self.ratings, read, strict=True)
        ]
        found = {"Spearman": mean_over_users(self.agreements(scores), self.users, seed)}
        judged = [place for place, area in enumerate(areas) if area is not None]
        if judged:
            values = np.array([areas[place] for place in judged], dtype=np.float64)
            found["AUC"] = mean_over_users(values, self.users[judged], seed)
        return found

    def agreements(self, scores: FloatArray) -> Float64Array:
        """Spearman's correlation with each user's ratings, float64 (N,)."""
        rows = zip(scores, self.ratings, strict=True)
        return np.array([agreement(row[: len(true)], true) for row, true in rows])

    @property
    def _cut(self) -> list[tuple[int, int]]:
        return list(zip(self.users.tolist(), self.cuts.tolist(), strict=True))

    def _feedback(self, source: Source | None) -> list[FloatArray]:
        known = told(self.log, source)
        return [known[self.log.offsets[u] :][:cut] for u, cut in self._cut]
