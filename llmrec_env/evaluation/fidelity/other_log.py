"""Counterfactual validation in a card: what a simulator keeps on the log of another recommender.

See :mod:`llmrec_env.evaluation.counterfactual` for the question. Here it is asked as the card asks
about acceptance, at moments of held-out users of both logs, so that the card's own accuracies are
those that are kept or lost.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmrec_env.common.arrays import FloatArray
from llmrec_env.evaluation.fidelity.acceptance import ACCURACY, acceptance_wins, mean_over_users
from llmrec_env.evaluation.fidelity.moments import Moments
from llmrec_env.evaluation.intervals import Interval, ratio

KEPT = "kept, "
TRUE_USERS = "true users"
Scores = Mapping[str, FloatArray]
"""By who: scores of the candidates of moments, float32 (n, C), of the first four at least."""


def kept_accuracy(
    own: tuple[Moments, Scores], other: tuple[Moments, Scores], seed: int
) -> dict[str, dict[str, Interval]]:
    """How much of its accuracy everybody keeps on another recommender's log.

    Args:
        own: moments of held-out users of the log that was learned from, and scores of them.
        other: the same of another recommender's log over the same items.
        seed: of the bootstrap.

    Returns:
        By who: "accuracy, uniform" on the other log and "kept, uniform", its ratio to that on the
        own one, and so on of the kinds of items that both logs have.
    """
    return {
        who: _kept(own[0], scores, other[0], other[1][who], seed) for who, scores in own[1].items()
    }


def _kept(
    own: Moments, scores: FloatArray, other: Moments, theirs: FloatArray, seed: int
) -> dict[str, Interval]:
    before, after = acceptance_wins(own, scores), acceptance_wins(other, theirs)
    found = {}
    for name in before:
        if name in after:
            found[name] = mean_over_users(*after[name], seed)
            learned = mean_over_users(*before[name], seed)
            found[KEPT + name.removeprefix(ACCURACY)] = ratio(found[name], learned)
    return found
