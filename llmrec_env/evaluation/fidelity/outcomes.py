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

SHOWN, TRUTH = "shown", "truth"


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
    """

    chances: Float64Array
    shown: Float64Array
    taken: Float64Array
    owners: IntArray
    items: IntArray
    lengths: IntArray
    whole: bool

    def where(self, rows: BoolArray) -> Outcomes:
        """Those of some rows."""
        names = ("chances", "shown", "taken", "owners", "items", "lengths")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


def outcomes(moments: Moments, chances: FloatArray, against: str) -> Outcomes | None:
    """What stands against a simulator's chances; None where the log does not tell.

    Args:
        moments: what was asked.
        chances: float32 (n, C).
        against: "shown", "popular" or "uniform".
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
    begin = FIRST_EXPOSED + EXPOSED * (UNIFORM, POPULAR).index(against)
    columns = [TAKEN, *range(begin, begin + EXPOSED)]
    known = np.tile(moments.fresh[:, None], (1, len(columns)))
    shown, taken = np.full(known.shape, 1.0 / EXPOSED), np.zeros(known.shape)
    shown[:, 0], taken[:, 0] = 0.0, 1.0
    return _outcomes(moments, chances, columns, shown, taken, known, whole=False)


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
