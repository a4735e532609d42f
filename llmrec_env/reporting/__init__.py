"""Reports of experiments: in the terminal, as JSON, as Markdown and as one HTML page."""

from llmrec_env.reporting.elements import (
    Bars,
    Cloud,
    Curve,
    Curves,
    Element,
    Estimate,
    Facts,
    Finding,
    Forest,
    Scatter,
    Section,
    Table,
    Text,
    Transcript,
    Turn,
)
from llmrec_env.reporting.report import Report, versions

__all__ = [
    "Bars",
    "Cloud",
    "Curve",
    "Curves",
    "Element",
    "Estimate",
    "Facts",
    "Finding",
    "Forest",
    "Report",
    "Scatter",
    "Section",
    "Table",
    "Text",
    "Transcript",
    "Turn",
    "versions",
]
