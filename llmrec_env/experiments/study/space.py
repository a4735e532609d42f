"""Hyper-parameter search spaces: which settings of a method are searched, in which ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.objectives import DEFAULT_OBJECTIVE


@dataclass(frozen=True)
class Range:
    """All numbers from ``low`` to ``high``; with ``log``, equal ratios are equally likely."""

    low: float
    high: float
    log: bool = False

    def __contains__(self, value: Any) -> bool:
        return bool(self.low <= value <= self.high)


@dataclass(frozen=True)
class Choice:
    """A few values without an order."""

    values: tuple[Any, ...]

    def __contains__(self, value: Any) -> bool:
        return value in self.values


Space = Mapping[str, Range | Choice]
"""Fields of ``RecommenderConfig`` and what they may be."""

HOST: Space = {
    "learning_rate": Range(5e-4, 5e-3, log=True),
    "dropout": Range(0.2, 0.7),
    "weight_decay": Range(0.05, 2.0, log=True),
    "dim": Choice((64, 128)),
    "layers": Choice((None, 1)),
    "tied": Choice((False, True)),
}
"""What is searched of every backbone under every method."""
HOSTS: Sequence[Mapping[str, Any]] = (
    {},
    {"tied": True},
    {"learning_rate": 2e-3, "dim": 128},
    {"tied": True, "layers": 1, "dropout": 0.2},
)
"""How the hosts of the first trials differ from the defaults: not at all; one table for items that
were taken and items to rank; twice as wide, at a rate to go with that; small, tied and shallow, the
host that validation chose on Amazon Beauty."""
Q_LEARNING: Space = {"q_weight": Range(0.01, 1.0, log=True)}
PROXY: Space = {"proxy_weight": Range(0.01, 10.0, log=True)}
TARGETS: Space = {
    "augment_weight": Range(0.1, 2.0, log=True),
    "temperature": Range(0.5, 4.0, log=True),
}
SMOOTHING: Space = {"label_smoothing": Range(0.05, 0.5)}
DISTILLED: Space = {"state_weight": Range(0.05, 2.0, log=True)}


def space_of(objective: str, settings: Mapping[str, Any]) -> Space:
    """All that is searched of a recommender, by its objective and flat settings."""
    space = {name: values for name, values in HOST.items() if name not in settings}
    if objective != DEFAULT_OBJECTIVE:
        space |= PROXY if objective == "proxy" else Q_LEARNING
    if settings.get("augment"):
        space |= TARGETS
    if "label_smoothing" in settings:
        space |= SMOOTHING
    if settings.get("state_to") == "distilled":
        space |= DISTILLED
    return space
