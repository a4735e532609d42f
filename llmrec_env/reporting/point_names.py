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

    def holds(self, other: _Box) -> bool:
        across = self.left <= other.left and other.right <= self.right
        return across and self.low <= other.low and other.high <= self.high

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.low < other.high
            and other.low < self.high
        )


def name_points(axes: Any, points: Sequence[tuple[float, float, str]]) -> None:
    """Write each name beside its point (x, y, name), those on the right first, who have least room.

    The axes must hold everything else already, since points lie where they are drawn.
    """
    if not points:
        return
    axes.margins(x=0.08, y=0.1)
    axes.figure.draw_without_rendering()
    unit = 72.0 / axes.figure.dpi
    box = axes.get_window_extent()
    inside = _Box(unit * box.x0, unit * box.y0, unit * box.x1, unit * box.y1)
    places = {point: unit * axes.transData.transform(point[:2]) for point in sorted(points)[::-1]}
    taken = [_Box(x - 3, y - 3, x + 3, y + 3) for x, y in places.values()]
    for (x, y, text), place in places.items():
        offset, own = _free(place, text, inside, taken)
        taken.append(own)
        name = axes.annotate(
            text,
            (x, y),
            offset,
            textcoords="offset points",
            fontsize=SIZE,
            ha="left" if offset[0] > 0 else "right",
            va="center",
            arrowprops={"arrowstyle": "-", "lw": 0.4, "alpha": 0.5} if offset[1] else None,
        )
        name.set_in_layout(False)  # the points stay where they were found


def _free(
    place: Any, text: str, inside: _Box, taken: Sequence[_Box]
) -> tuple[tuple[float, float], _Box]:
    """The nearest offset at which a name is free, and its box; where none is, one that fits in."""
    boxes = {offset: _box(place, offset, text) for offset in NEAR}
    fitting = {offset: own for offset, own in boxes.items() if inside.holds(own)} or boxes
    for offset, own in fitting.items():
        if not any(own.meets(other) for other in taken):
            return offset, own
    return next(iter(fitting.items()))


def _box(place: Any, offset: tuple[float, float], text: str) -> _Box:
    width, half = WIDTH * SIZE * len(text), HEIGHT * SIZE / 2
    start, middle = place[0] + offset[0], place[1] + offset[1]
    left = start if offset[0] > 0 else start - width
    return _Box(left, middle - half, left + width, middle + half)
