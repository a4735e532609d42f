"""Writes a report as one self-contained HTML page."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from llmrec_env.common.files import atomic_path
from llmrec_env.common.progress import track
from llmrec_env.common.templates import templates_in
from llmrec_env.reporting import plots, terminal
from llmrec_env.reporting.elements import Figure, Section

TEMPLATES = Path(__file__).parent / "templates"


class Contents(Protocol):
    """What a page shows: a :class:`llmrec_env.reporting.report.Report`."""

    title: str
    lede: str
    command: str
    sections: list[Section]

    @property
    def config(self) -> dict[str, Any]:
        """Settings, seeds, versions and seconds, for the page's last section."""


class Image(NamedTuple):
    """A figure drawn for wide screens, for narrow ones, and as a file."""

    wide: str
    narrow: str
    png: bytes


def write_page(report: Contents, folder: Path) -> Path:
    """Write ``figures/*.png`` and ``report.html`` into ``folder``; returns the page.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
    """
    template = _templates().get_template("report.html.j2")
    figures = _figures(report)
    images = [_draw(figure) for figure in track(figures, "draw the report")]
    _write_figures(report, images, folder)
    text = template.render(
        report=report,
        config=report.config,
        best_cells=terminal.best_cells,
        is_numeric=terminal.is_numeric,
        kind=lambda element: type(element).__name__,
        images={id(figure): image for figure, image in zip(figures, images, strict=True)},
        id=id,
    )
    page = folder / "report.html"
    with atomic_path(page) as temporary:
        temporary.write_text(text.strip() + "\n", encoding="utf-8")
    return page


def _draw(figure: Figure) -> Image:
    narrow = plots.svg_address(figure, plots.NARROW)
    return Image(plots.svg_address(figure), narrow, plots.png(figure))


def _templates() -> Any:
    filters = {
        "cell": terminal.cell_text,
        "fact": terminal.fact_text,
        "spread": terminal.spread_text,
        "masked": terminal.masked_text,
        "setting": _setting_text,
    }
    return templates_in(TEMPLATES, "report", filters)


def _setting_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def figure_files(report: Contents) -> list[tuple[Figure, str]]:
    """The figures of a report, and where in the run folder the image of each lies."""
    figures = _figures(report)
    return [(f, f"figures/{i:02d}-{slug(f.title)}.png") for i, f in enumerate(figures, start=1)]


def _figures(report: Contents) -> list[Figure]:
    return [e for section in report.sections for e in section.elements if isinstance(e, Figure)]


def _write_figures(report: Contents, images: Sequence[Image], folder: Path) -> None:
    names = [name for _, name in figure_files(report)]
    for old in folder.glob("figures/[0-9][0-9]-*.png"):
        if f"figures/{old.name}" not in names and _is_of_a_report(old):
            old.unlink()
    for name, image in zip(names, images, strict=True):
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(image.png)


def _is_of_a_report(image: Path) -> bool:
    """Whether an image says that a report drew it: others are not ours to remove."""
    with image.open("rb") as file:
        return plots.DRAWN_BY.encode() in file.read(1000)


def slug(title: str) -> str:
    """``title`` as a file name: letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "figure"
