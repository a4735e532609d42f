"""Draws a report's figures with matplotlib, for light and dark pages."""

from __future__ import annotations

import base64
import io
import math
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from llmrec_env.common.extras import require
from llmrec_env.reporting.elements import Bars, Curves, Estimate, Figure, Forest, Scatter
from llmrec_env.reporting.point_names import name_points

# Okabe and Ito's colours, without black and in an order that stays apart on white and on black.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vP"
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)), (0, (6, 1.5, 1.5, 1.5)))
# Stands for the colour of text; MODES gives what each mode of the page makes of a colour.
INK = "#010203"
DRAWN_BY = "llmrec-env report"
"""What an image says of who drew it."""
MODES = {INK: ("#30363d", "#c9d1d9"), "#0072b2": ("#0072b2", "#3f9fe0")}
STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "errorbar.capsize": 3,
    "font.size": 10,
    "grid.alpha": 0.16,
    "grid.color": INK,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.hashsalt": "llmrec-env",
    "text.color": INK,
    "text.parse_math": False,  # names come from data, where a dollar is a dollar
    "xtick.color": INK,
    "ytick.color": INK,
}
WIDE, NARROW = 7.2, 3.9
LETTER = 0.08  # inches that a letter takes, about
UPRIGHT = 14  # letters for which there is room below the axis
Axes = Any


def draw(figure: Figure, width: float = WIDE) -> Any:
    """A matplotlib Figure, ``width`` inches wide.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    matplotlib = require("matplotlib", "report")
    drawing = require("matplotlib.figure", "report")
    with matplotlib.rc_context(STYLE):
        canvas = drawing.Figure(figsize=(width, _height(figure, width)), layout="constrained")
        if isinstance(figure, Scatter):
            _scatter(canvas, figure)
        else:
            _DRAWERS[type(figure)](canvas.add_subplot(), figure)
    return canvas


def svg_address(figure: Figure, width: float = WIDE) -> str:
    """The figure as a ``data:`` address of an SVG image with a transparent ground."""
    text = _render(figure, width, "svg", metadata={"Date": None}).decode("utf-8")
    light, dark = "", ""
    for number, (colour, (by_day, by_night)) in enumerate(MODES.items()):
        text = text.replace(colour, f"var(--c{number})")
        light, dark = light + f"--c{number}:{by_day};", dark + f"--c{number}:{by_night};"
    style = f"svg{{{light}}}@media(prefers-color-scheme:dark){{svg{{{dark}}}}}"
    text = text.replace("</svg>", f"<style>{style}</style></svg>")
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode("utf-8")).decode("ascii")


def png(figure: Figure) -> bytes:
    """The figure as a PNG image on white."""
    return _render(figure, WIDE, "png", dpi=160, facecolor="white", metadata={"Software": DRAWN_BY})


def _render(figure: Figure, width: float, form: str, **options: Any) -> bytes:
    matplotlib = require("matplotlib", "report")
    canvas, buffer = draw(figure, width), io.BytesIO()
    options = {"transparent": form == "svg", **options}
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        canvas.savefig(buffer, format=form, **options)
    return buffer.getvalue()


def _height(figure: Figure, width: float) -> float:
    if isinstance(figure, Forest):
        lines = [_wrapped(name, width).count("\n") + 1 for name in figure.rows]
        return 0.9 + (0.2 + 0.16 * max(lines, default=1)) * len(figure.rows)
    if isinstance(figure, Scatter):
        return 4.0 if width > NARROW else 3.0 * len(figure.panels) + 0.6
    if width > NARROW:
        return 3.3
    names = [curve.name for curve in figure.series] if isinstance(figure, Curves) else []
    return 2.6 + 0.22 * max(2, -(-len(names) // _legend_columns(names)))


def _wrapped(name: str, width: float) -> str:
    """A name beside a picture of this width, on as many lines as leave the picture its room."""
    return textwrap.fill(name, 22 if width <= NARROW else 34, break_on_hyphens=False)


def _numbers(values: Sequence[float | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


def _arms(estimate: Estimate) -> tuple[float, float]:
    """How far the interval reaches below and above the mean, or the deviation; NaN of neither."""
    if estimate.mean is None:
        return math.nan, math.nan
    if estimate.low is not None and estimate.high is not None:
        return max(estimate.mean - estimate.low, 0.0), max(estimate.high - estimate.mean, 0.0)
    return (math.nan, math.nan) if estimate.sd is None else (estimate.sd, estimate.sd)


def _legend(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1:
        width = axes.figure.get_figwidth()
        columns = _legend_columns(labels) if width <= NARROW else _fitting_columns(labels, width)
        axes.figure.legend(handles, labels, loc="outside upper left", ncols=columns)


def _fitting_columns(names: Sequence[str], width: float) -> int:
    """Names side by side, filled column by column, in a picture so wide; four at most."""
    for columns in range(min(len(names), 4), 1, -1):
        rows = -(-len(names) // columns)
        longest = (max(map(len, names[i : i + rows])) for i in range(0, len(names), rows))
        if sum(LETTER * letters + 0.6 for letters in longest) <= width:
            return columns
    return 1


def _legend_columns(names: Sequence[str]) -> int:
    """Names side by side in a narrow picture."""
    return 1 if max(map(len, names), default=0) > 18 else 2


def _levels(axes: Axes, levels: Mapping[str, float]) -> None:
    for number, (name, level) in enumerate(levels.items()):
        axes.axhline(level, color=INK, lw=1.1, ls=DASHES[1 + number % 3], alpha=0.7, label=name)


def _curves(axes: Axes, figure: Curves) -> None:
    for number, curve in enumerate(figure.series):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        marker = "o" if len(curve.x) <= 12 else None
        x, y = _numbers(curve.x), _numbers(curve.y)
        axes.plot(x, y, color=colour, linestyle=dash, marker=marker, ms=4, lw=1.8, label=curve.name)
        if curve.low is not None and curve.high is not None:
            low, high = _numbers(curve.low), _numbers(curve.high)
            axes.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)
    for number, curve in enumerate(figure.series):
        for count, (name, level) in enumerate(curve.levels.items()):
            colour, dash = COLOURS[number % len(COLOURS)], DASHES[2 + count % 2]
            axes.axhline(level, color=colour, lw=1.3, ls=dash, label=name)
    _levels(axes, figure.levels)
    axes.set(xlabel=figure.x_label, ylabel=figure.y_label)
    ticker = require("matplotlib.ticker", "report")
    places = [x for curve in figure.series for x in curve.x]
    if figure.log_x:
        axes.set_xscale("log")
        marks = sorted(set(places))
        axes.set_xticks(marks, [f"{mark:g}" for mark in marks])
        axes.xaxis.set_minor_locator(ticker.NullLocator())
    elif all(x == int(x) for x in places):  # steps and passes have no halves
        axes.xaxis.set_major_locator(ticker.MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    if max(places, default=0) >= 10_000:
        axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
    axes.grid(axis="y")
    _legend(axes)


def _bars(axes: Axes, figure: Bars) -> None:
    width = 0.8 / max(len(figure.series), 1)
    for number, (name, estimates) in enumerate(figure.series.items()):
        places = np.arange(len(figure.groups)) + (number - (len(figure.series) - 1) / 2) * width
        means = _numbers([estimate.mean for estimate in estimates])
        arms = np.array([_arms(estimate) for estimate in estimates]).reshape(-1, 2).T
        axes.bar(
            places,
            means,
            width * 0.9,
            yerr=arms,
            color=COLOURS[number % len(COLOURS)],
            label=name,
            error_kw={"elinewidth": 1.2, "ecolor": INK},
        )
    _levels(axes, figure.levels)
    axes.set_xticks(range(len(figure.groups)), figure.groups)
    axes.tick_params(axis="x", length=0, rotation=_rotation(axes, figure.groups))
    axes.set(xlabel=figure.x_label, ylabel=figure.y_label)
    axes.grid(axis="y")
    _legend(axes)


def _rotation(axes: Axes, names: Sequence[str]) -> int:
    """Degrees by which names below an axis are turned: upright where they would run together."""
    widest = max((len(line) for name in names for line in name.split("\n")), default=0)
    crowded = widest * len(names) * LETTER > axes.figure.get_figwidth() - 0.8
    return 90 if crowded and widest <= UPRIGHT else 0


def _forest(axes: Axes, figure: Forest) -> None:
    places = np.arange(len(figure.rows))[::-1]
    means = _numbers([estimate.mean for estimate in figure.rows.values()])
    arms = np.array([_arms(estimate) for estimate in figure.rows.values()]).reshape(-1, 2).T
    if figure.reference is not None:
        axes.axvline(figure.reference, color=INK, lw=1, ls=DASHES[1], alpha=0.7)
    axes.errorbar(means, places, xerr=arms, fmt="o", color=COLOURS[0], ms=6, elinewidth=1.8)
    axes.set_yticks(places, [_wrapped(name, axes.figure.get_figwidth()) for name in figure.rows])
    axes.set_ylim(-0.6, len(places) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(figure.x_label)
    ticks = 3 if axes.figure.get_figwidth() <= NARROW else 5  # long names leave little room
    axes.xaxis.set_major_locator(require("matplotlib.ticker", "report").MaxNLocator(ticks))
    axes.grid(axis="x")


def _scatter(canvas: Any, figure: Scatter) -> None:
    count = len(figure.panels)
    rows, columns = (1, count) if canvas.get_figwidth() > NARROW else (count, 1)
    places = list(canvas.subplots(rows, columns, squeeze=False).flat)
    for axes, (panel, clouds) in zip(places, figure.panels.items(), strict=True):
        axes.set_title(panel, fontsize=10)
        if figure.x_label or figure.y_label:
            axes.set(xlabel=figure.x_label, ylabel=figure.y_label)
            axes.grid()
        else:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, alpha=0.4)
        named = [name for name in clouds if name != figure.rest]
        # The grey ones come last in the legend, and are drawn behind the others.
        for number, name in enumerate([*named, *(name for name in clouds if name == figure.rest)]):
            grey = name == figure.rest
            axes.scatter(
                _numbers(clouds[name].x),
                _numbers(clouds[name].y),
                s=12 if grey else 18,
                color=INK if grey else COLOURS[number % len(COLOURS)],
                marker="." if grey else MARKERS[number % len(MARKERS)],
                alpha=0.25 if grey else 0.75,
                linewidths=0,
                zorder=1 if grey else 2,
                label=name,
            )
    _legend(axes)
    for axes, clouds in zip(places, figure.panels.values(), strict=True):
        points = [
            point
            for cloud in clouds.values()
            if cloud.names
            for point in zip(cloud.x, cloud.y, cloud.names, strict=True)
        ]
        name_points(axes, points)


_DRAWERS: dict[type[Figure], Callable[[Axes, Any], None]] = {
    Curves: _curves,
    Bars: _bars,
    Forest: _forest,
}
