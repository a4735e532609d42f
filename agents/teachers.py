"""Teachers: rankers, alone or mixed, that propose the actions LEA learns from.

:func:`llmrec_env.offline.augmentation.propose` knows the simulated user and the simplest controls;
here anything that ranks items becomes a teacher, so that a language model is compared with whatever
else could have said the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.common.top_k import Pairs, top_k
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.ranking import Ranker
from llmrec_env.offline.augmentation import Proposals, best_unowned_items, soft_targets


def proposals_of(
    ranker: Ranker, log: InteractionLog, k: int = 20, later: bool = False
) -> Proposals:
    """The K items that a ranker puts first after every interaction of a log.

    None is one that the user has taken by then. After a user's last interaction nothing is
    proposed: no step is learned there.

    Args:
        ranker: scores in logits; see :class:`agents.fusion.FromCounts` for others.
        log: the training users.
        k: how many.
        later: whether one that the user took later may be proposed, as in
            :func:`llmrec_env.offline.augmentation.propose`.
    """
    steps = np.flatnonzero(log.row_goes_on)
    users = log.row_users[steps]
    actions = np.full((len(log), k), -1, dtype=np.int64)
    scores = np.full((len(log), k), -np.inf, dtype=np.float32)

    def pick(rows: IntArray, count: int, exclude: Pairs) -> tuple[IntArray, FloatArray]:
        some = np.unique(users[rows])
        offsets, _ = log.rows_of(some)
        first = np.concatenate([[0], np.cumsum(np.maximum(np.diff(offsets) - 1, 0))])[:-1]
        places = first[np.searchsorted(some, users[rows])] + log.row_positions[steps[rows]]
        told = ranker.score_steps([log.sequence(user) for user in some])[places]
        told = np.array(told, dtype=np.float32)
        told[exclude] = -np.inf
        return top_k(told, count)

    actions[steps], scores[steps] = best_unowned_items(log, steps, pick, k, later)
    return Proposals(actions, scores)


def mixed(
    teachers: Sequence[Proposals],
    k: int = 20,
    weights: Sequence[float] | None = None,
    temperatures: Sequence[float] | None = None,
) -> Proposals:
    """The K items with most of the teachers' soft targets together.

    Args:
        teachers: proposals for one log.
        k: items that are kept.
        weights: of the teachers; equal where None.
        temperatures: of each teacher's softmax; 1 where None.

    Returns:
        Proposals whose scores are logarithms of the mixed shares: their softmax at temperature 1 is
        the mixture, cut to its K items.

    Raises:
        SettingError: no teacher is given, or not one weight and temperature for each.
    """
    weights = [1.0] * len(teachers) if weights is None else list(weights)
    temperatures = [1.0] * len(teachers) if temperatures is None else list(temperatures)
    if not teachers or not len(teachers) == len(weights) == len(temperatures):
        raise SettingError(
            f"{len(teachers)} teachers with {len(weights)} weights and {len(temperatures)} "
            "temperatures; give at least one teacher, and one of each for every teacher"
        )
    shares = [
        weight * soft_targets(teacher, temperature)
        for teacher, weight, temperature in zip(teachers, weights, temperatures, strict=True)
    ]
    actions = np.concatenate([teacher.actions for teacher in teachers], axis=1)
    return _most_shared(actions, np.concatenate(shares, axis=1), k)


def _most_shared(actions: IntArray, shares: FloatArray, k: int) -> Proposals:
    """The K items of each row with the largest sums of shares."""
    order = np.argsort(actions, axis=1, kind="stable")
    items, parts = np.take_along_axis(actions, order, 1), np.take_along_axis(shares, order, 1)
    first = np.ones(items.shape, dtype=bool)
    first[:, 1:] = items[:, 1:] != items[:, :-1]
    group = np.cumsum(first.ravel()) - 1
    sums = np.bincount(group, parts.ravel())[group].reshape(items.shape)
    kept = first & (items >= 0) & (sums > 0)
    with np.errstate(divide="ignore"):
        scores = np.where(kept, np.log(sums), -np.inf).astype(np.float32)
    places, best = top_k(scores, k)
    chosen = np.take_along_axis(items, np.maximum(places, 0), axis=1)
    return Proposals(np.where(places >= 0, chosen, -1), best)
