"""A study's rows without a backbone: popularity, item-kNN, and each simulator's own ranking."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llmrec_env.common.arrays import FloatArray
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.ranking import (
    ItemKNN,
    Popularity,
    Ranker,
    SimulatorRanker,
    evaluate_ranking,
)
from llmrec_env.experiments.study.methods import Role
from llmrec_env.experiments.study.settings import StudySettings
from llmrec_env.experiments.study.simulators import open_simulator
from llmrec_env.experiments.study.split_context import SplitContext
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
        role: as a method's.
        chosen: settings that validation chose.
        simulator: the simulated user that it asks, or None.
        serve: scores float32 (N, n_items) after N histories, where that can be timed.
        seconds: CPU seconds that it once took to choose the settings, where that is kept.
    """

    ranker: Ranker
    role: Role
    chosen: dict[str, Any] = field(default_factory=dict)
    simulator: str | None = None
    serve: Callable[[Histories], FloatArray] | None = None
    seconds: float | None = None


def ranker_names(settings: StudySettings) -> list[str]:
    """The rows without a backbone, the simulators that a study builds among them."""
    return [*RANKERS, *(f"{name}{ALONE}" for name in settings.simulators)]


def make_ranker(name: str, context: SplitContext) -> FixedRanker:
    """A row of :func:`ranker_names` on a split."""
    if name in RANKERS:
        return RANKERS[name](context)
    return _alone(name.removesuffix(ALONE), context)


def _popularity(context: SplitContext) -> FixedRanker:
    return FixedRanker(Popularity(context.train), "control")


def _item_knn(context: SplitContext) -> FixedRanker:
    """Item neighbours with the settings that validation chooses on every split."""
    folder, piece, costs = context.folder, "item-kNN.json", "item-kNN.costs.json"
    if not folder.has(piece):
        began = time.process_time()
        best = chosen_neighbours(context.train, context.validation, context.mask_seen)
        folder.write(costs, {"choosing": time.process_time() - began})
        folder.write(piece, best)
    best = folder.read(piece)
    seconds = folder.read(costs)["choosing"] if folder.has(costs) else None
    ranker = ItemKNN(context.train, **best)
    return FixedRanker(ranker, "control", best, seconds=seconds)


def chosen_neighbours(
    train: InteractionLog, validation: InteractionLog, mask_seen: bool
) -> dict[str, Any]:
    """The settings of item-kNN with the best validation NDCG@10, of :data:`NEIGHBOURS`.

    One setting is chosen after the other, twice round.

    Args:
        train: what the neighbours are counted in.
        validation: whose held-out steps choose.
        mask_seen: whether rankings leave out what a user has seen.

    Returns:
        Keywords of :class:`ItemKNN`.
    """

    def quality(chosen: dict[str, Any]) -> float:
        ranker = ItemKNN(train, **chosen)
        return evaluate_ranking(ranker, validation, (10,), mask_seen)["NDCG@10"]

    best = {name: values[len(values) // 2] for name, values in NEIGHBOURS.items()}
    known: dict[tuple[Any, ...], float] = {}
    for name in [*NEIGHBOURS, *NEIGHBOURS]:
        tried = [{**best, name: value} for value in NEIGHBOURS[name]]
        for chosen in tried:
            if tuple(chosen.values()) not in known:
                known[tuple(chosen.values())] = quality(chosen)
        best = max(tried, key=lambda chosen: known[tuple(chosen.values())])
    return best


def _alone(name: str, context: SplitContext) -> FixedRanker:
    simulator = open_simulator(name, context)

    def serve(histories: Histories) -> FloatArray:
        return simulator.preferences(simulator.open(histories).states)

    return FixedRanker(SimulatorRanker(simulator), "language", simulator=name, serve=serve)


RANKERS: dict[str, Callable[[SplitContext], FixedRanker]] = {
    "popularity": _popularity,
    "item-kNN": _item_knn,
}
