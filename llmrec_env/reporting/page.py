"""One self-contained page: no network, images inside, every text escaped."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmrec_env.common.extras import require
from llmrec_env.common.files import atomic_path
from llmrec_env.reporting import plots, tables
from llmrec_env.reporting.elements import Figure

if TYPE_CHECKING:
    from llmrec_env.reporting.report import Report

TEMPLATES = Path(__file__).parent / "templates"


def write_page(report: Report, folder: Path) -> Path:
    """Write ``figures/*.png`` and ``report.html`` into ``folder``; returns the page."""
    text = page_text(report)
    _write_figures(report, folder / "figures")
    page = folder / "report.html"
    with atomic_path(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return page


def page_text(report: Report) -> str:
    """The page as HTML.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
    """
    jinja2 = require("jinja2", "report")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cell": tables.cell_text,
        "fact": tables.fact_text,
        "spread": tables.spread_text,
        "masked": tables.masked_text,
        "setting": _setting_text,
    }
    template = environment.get_template("report.html.j2")
    return template.render(
        report=report,
        config=report.config,
        best_cells=tables.best_cells,
        is_numeric=tables.is_numeric,
        kind=lambda element: type(element).__name__,
        is_figure=lambda element: isinstance(element, Figure),
        wide=plots.svg_address,
        narrow=lambda figure: plots.svg_address(figure, plots.NARROW),
    )


def _setting_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _write_figures(report: Report, folder: Path) -> None:
    figures = [e for section in report.sections for e in section.elements if isinstance(e, Figure)]
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for number, figure in enumerate(figures, start=1):
            name = f"{number:02d}-{slug(figure.title)}.png"
            (temporary / name).write_bytes(plots.png(figure))


def slug(title: str) -> str:
    """``title`` as a file name: letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "figure"
