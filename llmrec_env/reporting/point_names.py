"""Names beside the points of a picture, each where it covers no point and no other name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

SIZE = 7.0
"""Of the letters, in points."""
WIDTH, HEIGHT = 0.63, 1.15
"""What a letter takes of its size, about."""
GAP = 5.0
"""Points from a point to its name."""
NEAR = tuple((x, step * y) for step in range(0, 55, 9) for y in (1, -1) for x in (GAP, -GAP))
"""Where a name may begin or end, the nearest first: right or left, level, higher or lower."""


class _Box(NamedTuple):
    left: float
    low: float
    right: float
    high: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.low < other.high
            and other.low < self.high
        )


def name_points(axes: Any, points: Sequence[tuple[float, float, str]]) -> None:
    """Write each name beside its point (x, y, name); axes that are drawn apart from names."""
    if not points:
        return
    axes.figure.draw_without_rendering()  # only then it is known where points lie
    unit = 72.0 / axes.figure.dpi
    places = [unit * axes.transData.transform((x, y)) for x, y, _ in points]
    box = axes.get_window_extent()
    inside = _Box(unit * box.x0, unit * box.y0, unit * box.x1, unit * box.y1)
    taken = [_Box(x - 3, y - 3, x + 3, y + 3) for x, y in places]
    for (x, y, text), place in zip(points, places, strict=True):
        offset, own = _free(place, text, inside, taken)
        taken.append(own)
        side = "left" if offset[0] > 0 else "right"
        name = axes.annotate(
            text,
            (x, y),
            offset,
            textcoords="offset points",
            fontsize=SIZE,
            ha=side,
            va="center",
            arrowprops={"arrowstyle": "-", "lw": 0.4, "alpha": 0.5} if offset[1] else None,
        )
        name.set_in_layout(False)  # the points stay where they were found


def _free(
    place: Any, text: str, inside: _Box, taken: Sequence[_Box]
) -> tuple[tuple[float, float], _Box]:
    """The nearest offset at which a name is free, or the first where none is, and its box."""
    boxes = {offset: _box(place, offset, text) for offset in NEAR}
    for offset, own in boxes.items():
        within = own.left >= inside.left and own.right <= inside.right
        if within and not any(own.meets(other) for other in taken):
            return offset, own
    return NEAR[0], boxes[NEAR[0]]


def _box(place: Any, offset: tuple[float, float], text: str) -> _Box:
    width, half = WIDTH * SIZE * len(text), HEIGHT * SIZE / 2
    start, middle = place[0] + offset[0], place[1] + offset[1]
    left = start if offset[0] > 0 else start - width
    return _Box(left, middle - half, left + width, middle + half)
