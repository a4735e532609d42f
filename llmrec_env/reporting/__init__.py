"""The report: what a run found, in the terminal, as JSON and as one self-contained page."""

from llmrec_env.reporting.elements import (
    Bars,
    Curve,
    Curves,
    Element,
    Estimate,
    Facts,
    Finding,
    Forest,
    Table,
    Text,
    Transcript,
    Turn,
)
from llmrec_env.reporting.report import Report, Section, versions

__all__ = [
    "Bars",
    "Curve",
    "Curves",
    "Element",
    "Estimate",
    "Facts",
    "Finding",
    "Forest",
    "Report",
    "Section",
    "Table",
    "Text",
    "Transcript",
    "Turn",
    "versions",
]
