"""``Visits``: N running sessions in numbers, from which it is told whether a user leaves.

One rule moves them, for the sessions of a log and for those of an environment alike, so that what
was learned of the one holds in the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray

RATE = 0.3
"""How much the last item counts in the running means of a visit."""
FIRST = (1, 2, 3, 4, 5)
"""Items taken in a session at each of which leaving may be a case of its own."""
FEATURES = (
    "log of items taken",
    *(f"{count} taken" for count in FIRST),
    "liking of the last",
    "liking lately",
    "closeness of the last",
    "skips in a row",
    "skipped the last",
)
"""What :attr:`Visits.features` tells, in this order. Closeness: the cosine of the last item and the
running mean of those taken before it in the visit."""


@dataclass(frozen=True, eq=False)
class Visits:
    """N sessions as they are now; float64 (N,) but for what is said otherwise.

    Attributes:
        taken: int64 (N,), items taken in the session so far.
        skips: int64 (N,), items shown and left since the last one was taken.
        last: liking of the last item shown; NaN before the first.
        lately: running mean of the likings; NaN before the first.
        closeness: of the last item taken to those before it; 0 where there was none.
        mean: float64 (N, D), running mean of the vectors of the items taken.
    """

    taken: IntArray
    skips: IntArray
    last: Float64Array
    lately: Float64Array
    closeness: Float64Array
    mean: Float64Array

    @classmethod
    def begun(cls, taken: IntArray, size: int) -> Visits:
        """Sessions of which nothing is known but how many items were taken in them before.

        Args:
            taken: int64 (N,).
            size: length of an item's vector.
        """
        nothing = np.full(len(taken), np.nan)
        zero = np.zeros(len(taken), dtype=np.int64)
        means = np.zeros((len(taken), size))
        return cls(taken.copy(), zero, nothing, nothing.copy(), np.zeros(len(taken)), means)

    def first(self, count: int) -> Visits:
        """The first sessions alone."""
        return Visits(**{name: own[:count] for name, own in self.__dict__.items()})

    def put(self, rows: IntArray, others: Visits) -> Visits:
        """The same with other sessions in some rows."""
        parts = {name: own.copy() for name, own in self.__dict__.items()}
        for name, own in parts.items():
            own[rows] = getattr(others, name)
        return Visits(**parts)

    def after(
        self, shown: BoolArray, took: BoolArray, likings: Float64Array, vectors: FloatArray
    ) -> Visits:
        """The sessions after one more item each.

        Args:
            shown: bool (N,), who was shown one; the others stay as they are.
            took: bool (N,), who took it.
            likings: float64 (N,), how they like it; NaN where nobody knows.
            vectors: (N, D), where the items lie, of any length.
        """
        took = took & shown
        lately = np.where(np.isnan(self.lately), likings, _mixed(self.lately, likings))
        told = shown & ~np.isnan(likings)
        lengths = np.sqrt(
            (self.mean**2).sum(axis=1) * (vectors.astype(np.float64) ** 2).sum(axis=1)
        )
        dots = (self.mean * vectors).sum(axis=1)
        close = np.divide(dots, lengths, out=np.zeros(len(dots)), where=lengths > 0)
        return replace(
            self,
            taken=self.taken + took,
            skips=np.where(took, 0, self.skips + (shown & ~took)),
            last=np.where(shown, likings, self.last),
            lately=np.where(told, lately, self.lately),
            closeness=np.where(took, close, self.closeness),
            mean=np.where(took[:, None], _mixed(self.mean, vectors), self.mean),
        )

    @property
    def features(self) -> Float64Array:
        """What tells whether they leave, float64 (N, F), by the names of :data:`FEATURES`; NaN
        where it is not known."""
        columns = (
            np.log1p(self.taken),
            *(self.taken == count for count in FIRST),
            self.last,
            self.lately,
            self.closeness,
            self.skips,
            self.skips > 0,
        )
        return np.stack([np.asarray(own, dtype=np.float64) for own in columns], axis=1)


def _mixed(means: Float64Array, more: Float64Array | FloatArray) -> Float64Array:
    found: Float64Array = (1.0 - RATE) * means + RATE * more
    return found
