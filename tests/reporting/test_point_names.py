"""Names of points in a picture: beside their own, and on no other name."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.text import Text

from llmrec_env.reporting import Cloud, Scatter
from llmrec_env.reporting.plots import draw


@pytest.mark.parametrize("width", [7.2, 3.9])
def test_names_of_points_that_lie_close_together_can_all_be_read(width: float) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 9)) * [[0.3], [0.5]]
    names = [f"policy {i}" for i in range(9)]
    cloud = Cloud([*x, 1.0], [*y, 1.0], [*names, "far away to the right"])
    canvas = draw(Scatter("s", "c", {"": {"some": cloud}}, x_label="x", y_label="y"), width)
    canvas.draw_without_rendering()
    texts = canvas.axes[0].texts
    assert {text.get_text() for text in texts} == {*names, "far away to the right"}
    boxes = [Text.get_window_extent(text) for text in texts]  # without their lines
    inside = canvas.axes[0].get_window_extent()
    assert max(box.x1 for box in boxes) <= inside.x1 + 2
    assert not [(i, j) for i in range(10) for j in range(i) if boxes[i].overlaps(boxes[j])]
