"""Late fusion of a method with another ranker, at the weight that is best on validation users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.config import RecommenderConfig
from agents.fusion import FromCounts, LateFusion, fuse_on_validation
from agents.recommender import Recommender
from llmrec_env.common.errors import SettingError
from llmrec_env.evaluation.ranking import Ranker, SimulatorRanker
from llmrec_env.experiments.study.rankers import make_ranker
from llmrec_env.experiments.study.simulators import open_simulator
from llmrec_env.experiments.study.split_context import SplitContext

Fit = Callable[[RecommenderConfig], Recommender]
"""The method's training."""


def fuse(
    name: str, recommender: Recommender, fit: Fit, context: SplitContext
) -> tuple[LateFusion, dict[str, Any]]:
    """A fitted recommender fused with another ranker, and the weight that validation chose.

    Args:
        name: "LE" or another simulator, "item-kNN", or "twin": the same method with the next
            training seed.
        recommender: fitted.
        fit: fits another with other settings.
        context: the split.

    Raises:
        SettingError: there is nothing of that name.
    """
    other = _other(name, recommender, fit, context)
    fused, weight = fuse_on_validation(recommender, other, context.validation, context.mask_seen)
    return fused, {"fusion weight": weight}


def _other(name: str, recommender: Recommender, fit: Fit, context: SplitContext) -> Ranker:
    if name == "twin":
        config = recommender.config
        # With which the study trains plain anyway, but for its last seed.
        return fit(config.with_settings(seed=config.training.seed + 1))
    if name == "item-kNN":
        return FromCounts(make_ranker(name, context).ranker)
    try:
        return SimulatorRanker(open_simulator(name, context))
    except FileNotFoundError as error:
        raise SettingError(
            f"nothing named {name!r} to fuse with: a simulator of this study, item-kNN or twin"
        ) from error
