"""The rows of a table that need no backbone: what counting does, and each companion alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.files import read_json, write_json
from llmrec_env.evaluation.ranking import (
    ItemKNN,
    Popularity,
    Ranker,
    SimulatorRanker,
    evaluate_ranking,
)
from llmrec_env.experiments.study.methods import Kind
from llmrec_env.experiments.study.settings import StudySettings
from llmrec_env.experiments.study.simulators import open_companion
from llmrec_env.experiments.study.split_context import Place
from llmrec_env.users.base import Histories

ALONE = " alone"
NEIGHBOURS: dict[str, tuple[Any, ...]] = {
    "k": (30, 100, 300),
    "reach": (3, 10),
    "span": (10, 50),
    "decay": (0.0, 0.5, 1.0),
    "backward": (0.3, 1.0),
    "popularity": (0.0, 0.2, 0.5),
}
"""Settings of item-kNN that validation chooses among, those of cosine co-occurrence included."""


@dataclass(frozen=True)
class FixedRanker:
    """A ranker that needs no backbone.

    Attributes:
        ranker: what ranks.
        kind: as a recipe's.
        chosen: settings that validation chose.
        companion: the simulated user that it asks, or None.
        serve: scores float32 (N, n_items) after N histories, where that can be timed.
        seconds: CPU seconds that it once took to choose the settings, where that is kept.
    """

    ranker: Ranker
    kind: Kind
    chosen: dict[str, Any] = field(default_factory=dict)
    companion: str | None = None
    serve: Callable[[Histories], FloatArray] | None = None
    seconds: float | None = None


def ranker_names(settings: StudySettings) -> list[str]:
    """The rows without a backbone, the companions that a study builds among them."""
    return [*RANKERS, *(f"{name}{ALONE}" for name in settings.companions)]


def make_ranker(name: str, place: Place) -> FixedRanker:
    """A row of :func:`ranker_names` on a split."""
    if name in RANKERS:
        return RANKERS[name](place)
    return _alone(name.removesuffix(ALONE), place)


def _popularity(place: Place) -> FixedRanker:
    return FixedRanker(Popularity(place.source.split.train), "control")


def _item_knn(place: Place) -> FixedRanker:
    """Item neighbours with the settings that validation chooses on every split."""
    path, costs = (place.folder / f"item-kNN{end}.json" for end in ("", ".costs"))
    if not path.exists():
        began = time.process_time()
        best = _chosen_neighbours(place)
        write_json(costs, {"choosing": time.process_time() - began})
        write_json(path, best)
    best = read_json(path)
    seconds = read_json(costs)["choosing"] if costs.exists() else None
    ranker = ItemKNN(place.source.split.train, **best)
    return FixedRanker(ranker, "control", best, seconds=seconds)


def _chosen_neighbours(place: Place) -> dict[str, Any]:
    """The best by validation NDCG@10: one setting after the other, twice round."""
    split = place.source.split

    def quality(chosen: dict[str, Any]) -> float:
        ranker = ItemKNN(split.train, **chosen)
        return evaluate_ranking(ranker, split.validation, ks=(10,))["NDCG@10"]

    best = {name: values[len(values) // 2] for name, values in NEIGHBOURS.items()}
    known: dict[tuple[Any, ...], float] = {}
    for name in [*NEIGHBOURS, *NEIGHBOURS]:
        tried = [{**best, name: value} for value in NEIGHBOURS[name]]
        for chosen in tried:
            if tuple(chosen.values()) not in known:
                known[tuple(chosen.values())] = quality(chosen)
        best = max(tried, key=lambda chosen: known[tuple(chosen.values())])
    return best


def _alone(companion: str, place: Place) -> FixedRanker:
    simulator = open_companion(companion, place)

    def serve(histories: Histories) -> FloatArray:
        return simulator.preferences(simulator.open(histories).states)

    return FixedRanker(SimulatorRanker(simulator), "language", companion=companion, serve=serve)


RANKERS: dict[str, Callable[[Place], FixedRanker]] = {
    "popularity": _popularity,
    "item-kNN": _item_knn,
}
