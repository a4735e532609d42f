"""Where the items lie whose points are the actions of d3rlpy's continuous algorithms."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import SettingError
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.item_space import item_space_of


def points_of_items(
    given: FloatArray | None, simulator: UserSimulator | None, shape: tuple[int | None, int | None]
) -> FloatArray:
    """The points of all items, float32 (n_items, d).

    Args:
        given: the points, or None for those of the simulator's items, where the environment has
            them too.
        simulator: whose items.
        shape: how many there must be and of how many numbers; None where any will do.

    Raises:
        SettingError: there is neither, or the points are no finite table of this shape.
    """
    if given is None:
        if simulator is None:
            raise SettingError(
                "actions are points, and nobody says where items lie: give the simulator, or "
                "item_points=…"
            )
        given = item_space_of(simulator).points
    points = np.asarray(given, dtype=np.float32)
    fits = points.ndim == 2 and all(
        want in (None, has) for want, has in zip(shape, points.shape, strict=True)
    )
    if not fits or not np.isfinite(points).all():
        expected = ", ".join("any" if size is None else f"{size:,}" for size in shape)
        raise SettingError(
            f"expected finite points of all items, of shape ({expected}); got {points.shape}"
        )
    return points
