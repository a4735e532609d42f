"""``Outcomes``: what stands against a simulator's chances of taking.

See :mod:`llmrec_env.evaluation.fidelity.calibration` for what each kind is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray
from llmrec_env.evaluation.fidelity.drawing import EXPOSED
from llmrec_env.evaluation.fidelity.moments import (
    FIRST_EXPOSED,
    FIRST_SKIPPED,
    POPULAR,
    TAKEN,
    UNIFORM,
    Moments,
)

SHOWN, LEFT, TRUTH = "shown", "left", "truth"


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Items shown, and items taken, of which the simulator said a chance.

    Attributes:
        chances: float64 (n,).
        shown: float64 (n,), for how many items shown each row stands.
        taken: float64 (n,), for how many takes.
        owners: int64 (n,), the user of each.
        items: int64 (n,).
        lengths: int64 (n,), how many items the user took before.
        whole: whether ``taken`` are of the items shown, so that the level is known.
        mixed: whether takes were put together with items left in a mix of their own.
    """

    chances: Float64Array
    shown: Float64Array
    taken: Float64Array
    owners: IntArray
    items: IntArray
    lengths: IntArray
    whole: bool
    mixed: bool = False

    def where(self, rows: BoolArray) -> Outcomes:
        """Those of some rows."""
        names = ("chances", "shown", "taken", "owners", "items", "lengths")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def in_own_mix(self) -> Outcomes:
        """As many takes among all as the chances say: a share m with m = m p + (1 - m) q, where p
        is the mean chance of the takes and q that of what was left."""
        takes = self.taken > 0
        if takes.all() or not takes.any():
            return self
        of_takes, of_left = self.chances[takes].mean(), self.chances[~takes].mean()
        share = of_left / max(1.0 - of_takes + of_left, 1e-12)
        count = len(takes)
        weights = np.where(takes, share / takes.sum(), (1.0 - share) / (~takes).sum()) * count
        return replace(self, shown=weights, taken=np.where(takes, weights, 0.0))


def outcomes(moments: Moments, chances: FloatArray, against: str) -> Outcomes | None:
    """What stands against a simulator's chances; None where the log does not tell.

    Args:
        moments: what was asked.
        chances: float32 (n, C).
        against: "shown", "left", "popular" or "uniform".
    """
    if against == SHOWN:
        if moments.log.skips is None:
            return None
        columns = [TAKEN, *range(FIRST_SKIPPED, moments.candidates.shape[1])]
        known = moments.candidates[:, columns] >= 0
        shown = np.tile(moments.skips[:, None], (1, len(columns)))
        shown[:, 0] = 1.0
        taken = np.zeros_like(shown)
        taken[:, 0] = 1.0
        return _outcomes(moments, chances, columns, shown, taken, known, whole=True)
    drawn = POPULAR if against == LEFT else against
    begin = FIRST_EXPOSED + EXPOSED * (UNIFORM, POPULAR).index(drawn)
    columns = [TAKEN, *range(begin, begin + EXPOSED)]
    known = np.tile(moments.fresh[:, None], (1, len(columns)))
    shown, taken = np.full(known.shape, 1.0 / EXPOSED), np.zeros(known.shape)
    shown[:, 0], taken[:, 0] = 0.0, 1.0
    if against == LEFT:
        known[:, 1:] &= ~_ever_taken(moments, columns[1:])
        found = _outcomes(moments, chances, columns, shown, taken, known, whole=True)
        return replace(found, mixed=True).in_own_mix()
    return _outcomes(moments, chances, columns, shown, taken, known, whole=False)


def _ever_taken(moments: Moments, columns: list[int]) -> BoolArray:
    """Whether the user took each of these candidates at any time, bool (n, len(columns))."""
    log = moments.log
    known = np.unique(log.row_users * log.n_items + log.items)
    found: BoolArray = np.isin(
        moments.users[:, None] * log.n_items + moments.candidates[:, columns], known
    )
    return found


def true_outcomes(moments: Moments, chances: FloatArray, true: FloatArray) -> Outcomes:
    """The true chances, float32 (n, C), of items that are shown all alike."""
    columns = list(range(FIRST_EXPOSED, FIRST_EXPOSED + EXPOSED))
    known = np.ones((len(moments), len(columns)), dtype=bool)
    taken = true[:, columns].astype(np.float64)
    return _outcomes(moments, chances, columns, known.astype(np.float64), taken, known, whole=True)


def _outcomes(
    moments: Moments,
    chances: FloatArray,
    columns: list[int],
    shown: Float64Array,
    taken: Float64Array,
    known: BoolArray,
    whole: bool,
) -> Outcomes:
    rows = np.nonzero(known)[0]
    return Outcomes(
        chances[:, columns][known].astype(np.float64),
        shown[known],
        taken[known],
        moments.users[rows],
        moments.candidates[:, columns][known],
        moments.before[rows],
        whole,
    )
