"""When users leave: a hazard that held-out users' sessions teach, small enough to be read.

After each item the chance that the session ends there is a logistic function of what the session
has been like (:class:`~llmrec_env.data.visits.Visits`)::

    P(leave | session so far) = sigmoid( offset + w . (features - mean) / sd )

A discrete-time hazard (Singer and Willett 1993); ``leaving_learning.py`` learns it.

Most logs hold only what was taken. Then the chance is that of leaving after an item taken, and what
users do who find nothing to take is not known. Where the log tells sessions by name, one a user,
and what was shown and left, it is the chance after every item shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from llmrec_env.common.arrays import Float64Array
from llmrec_env.common.errors import DataError
from llmrec_env.common.logistic import sigmoid
from llmrec_env.data.sessions import Told
from llmrec_env.data.visits import FEATURES, Visits

After = Literal["taken", "shown"]


@dataclass(frozen=True)
class Leaving:
    """The chance that a session ends after an item.

    Attributes:
        told: what said where sessions end.
        after: after which items: those taken, or all that are shown.
        offset: of the logistic function.
        weights: float (F,), by the names of :data:`~llmrec_env.data.visits.FEATURES`; all 0 where a
            constant told as much.
        means: float (F,), of the features; what is not known counts as the mean.
        scales: float (F,), their standard deviations.
    """

    told: Told
    after: After
    offset: float
    weights: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]

    def chance(self, visits: Visits) -> Float64Array:
        """That each session ends here, float64 (N,)."""
        return sigmoid(self.offset + self._standard(visits.features) @ np.array(self.weights))

    def _standard(self, features: Float64Array) -> Float64Array:
        return standardised(features, np.array(self.means), np.array(self.scales))

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Leaving | None:
        """What an LE's record says of it; None where it learned none, or by other features than
        this version knows.

        Raises:
            DataError: it is not one that learning gives.
        """
        saved = record.get("leaving")
        if saved is None or tuple(saved.get("features", ())) != FEATURES:
            return None
        rows = {name: tuple(map(float, saved[name])) for name in ("weights", "means", "scales")}
        sound = all(len(row) == len(FEATURES) for row in rows.values())
        sound = sound and all(map(math.isfinite, [saved["offset"], *sum(rows.values(), ())]))
        if not sound or min(rows["scales"]) <= 0 or saved["after"] not in ("taken", "shown"):
            raise DataError(
                "the chance of leaving in the LE's record is not one that learning gives; copy its "
                "folder again from where it came"
            )
        return cls(saved["told"], saved["after"], float(saved["offset"]), **rows)


def standardised(features: Float64Array, means: Float64Array, scales: Float64Array) -> Float64Array:
    """Features (N, F) of mean 0 and standard deviation 1; 0 where they are not known."""
    return np.nan_to_num((features - means) / scales, nan=0.0)
