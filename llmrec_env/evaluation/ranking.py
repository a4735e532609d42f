"""Next-item ranking: HR@k and NDCG@k of held-out steps among all items.

The protocol of the SQN line of work: held-out users, every next-item step of their sequences, all
items as candidates, HR@k and NDCG@k. Seen items stay in unless ``mask_seen`` says otherwise, and
every result says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import polars as pl

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.progress import progress_bar
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.neighbours import ItemNeighbours
from llmrec_env.evaluation.intervals import Interval, clustered
from llmrec_env.users.base import UserSimulator

Measured = TypeVar("Measured")
CELLS = 2**25
"""Scores held at once, about: 128 MiB of float32."""


class Ranker(Protocol):
    """Anything that scores all items as a user's next one."""

    def score_steps(self, sequences: Sequence[IntArray]) -> FloatArray:
        """Scores after each prefix of length 1 to len - 1 of each sequence, in order.

        Returns:
            float32 (sum(len_i - 1), n_items).
        """
        ...


def evaluate_ranking(
    ranker: Ranker,
    log: InteractionLog,
    ks: Sequence[int] = (5, 10, 20),
    mask_seen: bool = False,
    batch_users: int = 64,
) -> dict[str, float]:
    """Rank the logged next item among all items, at every held-out step.

    A user's held-out steps are the positions from ``log.first_target`` on. The rank of the taken
    item is the number of items scored higher plus half of those that tie with it, so a ranker that
    scores all alike gains nothing. A hit is a rank below k; a hit's NDCG is ``1 / log2(rank + 2)``.

    Args:
        ranker: what scores.
        log: held-out users.
        ks: cut-offs.
        mask_seen: whether items of the prefix are ranked last; an item taken again is then a miss.
        batch_users: users scored at once, at most (fewer where the catalogue is large).

    Returns:
        ``{"HR@5": …, "NDCG@5": …, …, "steps": number of steps, "mask_seen": mask_seen}``.

    Raises:
        DataError: no step is held out, the scores are NaN or of the wrong shape, or the ranker
            was fitted on another catalogue.
    """
    ranks = step_ranks(ranker, log, mask_seen, batch_users)
    return {**ranking_metrics(ranks, ks), "mask_seen": mask_seen}


def ranking_metrics(ranks: Float64Array, ks: Sequence[int]) -> dict[str, float]:
    """HR@k and NDCG@k of ranks float64 (n_steps,), and the number of steps."""
    metrics: dict[str, float] = {}
    for k in ks:
        hits, gains = step_gains(ranks, k)
        metrics[f"HR@{k}"] = float(hits.mean())
        metrics[f"NDCG@{k}"] = float(gains.mean())
    return {**metrics, "steps": len(ranks)}


def ranking_intervals(
    log: InteractionLog, ranks: Float64Array, k: int = 10, only: BoolArray | None = None
) -> dict[str, Interval]:
    """HR@k and NDCG@k of what :func:`step_ranks` gave, each with its 95% interval over users.

    ``only`` says which of the steps count, bool (n_steps,); all where None.
    """
    owners = log.row_users[held_out_rows(log)]
    if only is not None:
        owners, ranks = owners[only], ranks[only]
    hits, gains = step_gains(ranks, k)
    return {
        f"HR@{k}": clustered(hits.astype(np.float64), owners),
        f"NDCG@{k}": clustered(gains, owners),
    }


def held_out_rows(log: InteractionLog) -> BoolArray:
    """Whether an interaction is the item of a held-out step, bool (n_interactions,).

    In the order of these rows stand the ranks that :func:`step_ranks` gives.
    """
    first: IntArray = np.maximum(log.first_target, 1)
    return log.row_positions >= first[log.row_users]


def user_metrics(
    log: InteractionLog, ranks: Float64Array, k: int = 10, only: BoolArray | None = None
) -> pl.DataFrame:
    """Means over each user's own steps, to compare rankers user by user.

    Args:
        log: the held-out users.
        ranks: what :func:`step_ranks` gave for them.
        k: cut-off.
        only: which of the steps count, bool (n_steps,); all where None.

    Returns:
        A row for every user with a step that counts, in the order of the log: ``user_id``,
        ``HR@k``, ``NDCG@k`` and ``steps``.

    Raises:
        DataError: the ranks are not those of this log's steps.
    """
    owner = log.row_users[held_out_rows(log)]
    if len(owner) != len(ranks):
        raise DataError(f"{len(ranks)} ranks for a log with {len(owner)} held-out steps")
    if only is not None:
        owner, ranks = owner[only], ranks[only]
    steps = np.bincount(owner, minlength=log.n_users)
    users, owner = np.unique(owner, return_inverse=True)
    hits, gains = step_gains(ranks, k)
    return pl.DataFrame(
        {
            "user_id": log.user_ids[users],
            f"HR@{k}": np.bincount(owner, hits) / steps[users],
            f"NDCG@{k}": np.bincount(owner, gains) / steps[users],
            "steps": steps[users],
        }
    )


def step_ranks(
    ranker: Ranker, log: InteractionLog, mask_seen: bool = False, batch_users: int = 64
) -> Float64Array:
    """Rank of the taken item at every held-out step, 0 for the best: float64 (n_steps,).

    Users in the order of the log, steps in the order of time; see :func:`evaluate_ranking`.
    """
    return np.concatenate(per_batch(ranker, log, _ranks, mask_seen, batch_users))


def both_step_ranks(
    ranker: Ranker, log: InteractionLog, batch_users: int = 64
) -> dict[bool, Float64Array]:
    """The ranks of :func:`step_ranks` by ``mask_seen``, from one reading of the ranker's scores."""
    parts = [
        {masked: _ranks(*_held_out(scores, log, users, masked)) for masked in (False, True)}
        for users, scores in _scored(ranker, log, batch_users)
    ]
    return {masked: np.concatenate([part[masked] for part in parts]) for masked in (False, True)}


def evaluate_both(
    ranker: Ranker, log: InteractionLog, ks: Sequence[int] = (5, 10, 20), batch_users: int = 64
) -> dict[bool, dict[str, float]]:
    """What :func:`evaluate_ranking` gives by ``mask_seen``: False and True."""
    ranks = both_step_ranks(ranker, log, batch_users)
    return {
        masked: {**ranking_metrics(own, ks), "mask_seen": masked} for masked, own in ranks.items()
    }


def per_batch(
    ranker: Ranker,
    log: InteractionLog,
    measure: Callable[[FloatArray, IntArray], Measured],
    mask_seen: bool = False,
    batch_users: int = 64,
) -> list[Measured]:
    """Measure what a ranker says at every held-out step, holding one batch of users at a time.

    Users in the order of the log, steps in the order of time; see :func:`evaluate_ranking`.

    Args:
        ranker: what scores.
        log: held-out users.
        measure: is given the scores, float32 (n, n_items), and the items taken, int64 (n,), of n
            steps.
        mask_seen: whether items of the prefix score minus infinity.
        batch_users: users scored at once, at most.

    Raises:
        DataError: no step is held out, or the scores are NaN or of the wrong shape.
    """
    return [
        measure(*_held_out(scores, log, users, mask_seen))
        for users, scores in _scored(ranker, log, batch_users)
    ]


def _scored(
    ranker: Ranker, log: InteractionLog, batch_users: int
) -> Iterator[tuple[IntArray, FloatArray]]:
    """Batches of users with a held-out step, and the scores after each of their prefixes."""
    if hasattr(ranker, "check_catalogue"):  # a number must mean the same item to both
        ranker.check_catalogue(log.catalogue)
    users = np.flatnonzero(log.lengths > np.maximum(log.first_target, 1))
    if not len(users):
        raise DataError(
            "nothing to rank: no user of the log has a held-out step after another item"
        )
    with progress_bar("rank", len(users)) as advance:
        for batch in _batches(log, users, batch_users):
            yield batch, _scores_of_users(ranker, log, batch)
            advance(len(batch), "")


def step_gains(ranks: Float64Array, k: int) -> tuple[BoolArray, Float64Array]:
    """Whether each rank is a hit, bool (n_steps,), and its NDCG, float64 (n_steps,)."""
    hits = ranks < k
    return hits, np.where(hits, 1 / np.log2(ranks + 2), 0.0)


def _batches(log: InteractionLog, users: IntArray, batch_users: int) -> Iterator[IntArray]:
    """Consecutive users, as many at a time as memory allows."""
    cells = np.cumsum((log.lengths[users] - 1) * log.n_items)
    start = 0
    while start < len(users):
        held = cells[start - 1] if start else 0
        fitting = int(np.searchsorted(cells, held + CELLS, side="right"))
        stop = min(max(start + 1, fitting), start + batch_users)
        yield users[start:stop]
        start = stop


def _scores_of_users(ranker: Ranker, log: InteractionLog, users: IntArray) -> FloatArray:
    """Scores after each prefix of some users, (sum(len_i - 1), n_items); checked."""
    sequences = [log.sequence(user) for user in users]
    scores = ranker.score_steps(sequences)
    n_steps = sum(len(sequence) - 1 for sequence in sequences)
    if scores.shape != (n_steps, log.n_items):
        raise DataError(
            f"{type(ranker).__name__}.score_steps gave scores of shape {scores.shape}; the log "
            f"needs {(n_steps, log.n_items)}: steps by items of the catalogue"
        )
    if np.isnan(scores.max(axis=1)).any():
        raise DataError(f"{type(ranker).__name__}.score_steps gave NaN; it must order all items")
    return scores


def _held_out(
    scores: FloatArray, log: InteractionLog, users: IntArray, mask_seen: bool
) -> tuple[FloatArray, IntArray]:
    """The scores at the held-out steps of some users, and the items taken there."""
    sequences = [log.sequence(user) for user in users]
    if mask_seen:
        scores = _mask_prefixes(scores, sequences)
    held_out = np.concatenate(
        [np.arange(1, len(s)) >= log.first_target[u] for s, u in zip(sequences, users, strict=True)]
    )
    targets = np.concatenate([sequence[1:] for sequence in sequences])[held_out]
    return scores if held_out.all() else scores[held_out], targets


def _ranks(scores: FloatArray, targets: IntArray) -> Float64Array:
    own = scores[np.arange(len(targets)), targets][:, None]
    higher = _count(scores > own)
    ties = _count(scores == own) - 1
    return higher + ties / 2


def _count(values: BoolArray) -> IntArray:
    return np.add.reduce(values.view(np.uint8), axis=1, dtype=np.int64)


def _mask_prefixes(scores: FloatArray, sequences: Sequence[IntArray]) -> FloatArray:
    """The scores with -inf at the items of each step's prefix."""
    masked = np.array(scores)
    start = 0
    for sequence in sequences:
        for place in range(len(sequence) - 1):
            masked[start + place : start + len(sequence) - 1, sequence[place]] = -np.inf
        start += len(sequence) - 1
    return masked


class Popularity:
    """Ranks by how often each item occurs in the training log, for everyone alike."""

    def __init__(self, log: InteractionLog) -> None:
        self._counts = log.item_counts().astype(np.float32)

    def score_steps(self, sequences: Sequence[IntArray]) -> FloatArray:
        """Scores after each prefix, float32 (sum(len_i - 1), n_items)."""
        n_steps = sum(len(sequence) - 1 for sequence in sequences)
        return np.broadcast_to(self._counts, (n_steps, len(self._counts)))


class ItemKNN:
    """Ranks by co-occurrence with the last items (:class:`ItemNeighbours`).

    Args:
        log: the training users.
        k: neighbours of an item.
        reach: items of the history that count, the d-th newest weighing 1 / d.
        similarity: further settings of :meth:`ItemNeighbours.of`.
    """

    def __init__(
        self, log: InteractionLog, k: int = 100, reach: int = 10, **similarity: Any
    ) -> None:
        self._neighbours = ItemNeighbours.of(log, k, reach, **similarity)

    def score_steps(self, sequences: Sequence[IntArray]) -> FloatArray:
        """Scores after each prefix, float32 (sum(len_i - 1), n_items)."""
        first, rows = _prefixes(sequences)
        return self._neighbours.scores(np.concatenate(sequences), first, rows)


class SimulatorRanker:
    """Ranks by a simulated user's own action model: states of the prefixes, then preferences.

    A simulator that knows its users by name does not know these: they are given by items alone.
    """

    def __init__(self, simulator: UserSimulator) -> None:
        self._simulator = simulator

    def score_steps(self, sequences: Sequence[IntArray]) -> FloatArray:
        """Scores after each prefix, float32 (sum(len_i - 1), n_items)."""
        log = InteractionLog.of_strangers(self._simulator.catalogue, sequences)
        _, rows = _prefixes(sequences)
        return self._simulator.preferences(self._simulator.label(log).states[rows])


def _prefixes(sequences: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """First and last row of every prefix that has a next item, in the concatenated sequences."""
    lengths = np.array([len(sequence) for sequence in sequences])
    offsets = np.cumsum(lengths) - lengths
    first = np.repeat(offsets, lengths - 1)
    last = np.concatenate(
        [offset + np.arange(n - 1) for offset, n in zip(offsets, lengths, strict=True)]
    )
    return first, last
