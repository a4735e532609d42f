"""Augmentation: proposes K actions after every logged step, by the simulator or a control.

LEA adds to each logged step actions that the simulated user would have liked as well. Whoever
proposes them, the rules are the same: one list of K items at every logged position, best first,
never one that the user has taken by then, and one that they took later only where it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray, chunks
from llmrec_env.common.errors import DataError
from llmrec_env.common.progress import progress_bar
from llmrec_env.common.top_k import Pairs, top_k
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.neighbours import ItemNeighbours
from llmrec_env.users.base import Labels, UserSimulator

Method = Literal["language", "random", "popular", "cooccurrence"]
METHODS = ("language", "random", "popular", "cooccurrence")

CHUNK_CELLS = 4_000_000  # scores held at once: 16 MB of float32
CHUNK_BRANCHES = 16_384  # actions tried at once, each of which brings a state vector

Pick = Callable[[IntArray, int, Pairs], tuple[IntArray, FloatArray]]
"""Rows of a log, K, and (row, item) pairs to leave out -> items and logits, both (rows, K)."""


@dataclass(frozen=True, eq=False)
class Proposals:
    """K actions for every interaction of a log: what to show after it.

    Attributes:
        actions: int64 (n_interactions, K), best first; -1 where fewer candidates exist.
        scores: float32 (n_interactions, K), logits of the actions; -inf where there is none. The
            simulator's preferences for "language", log counts for "popular", log similarities for
            "cooccurrence", zeros for "random".
    """

    actions: IntArray
    scores: FloatArray


def propose(
    log: InteractionLog,
    simulator: UserSimulator | None = None,
    k: int = 1,
    candidates: int = 50,
    method: Method = "language",
    rerank_tokens: int = 0,
    labels: Labels | None = None,
    seed: int = 0,
    later: bool = False,
) -> Proposals:
    """Propose K actions after every interaction of ``log``.

    Args:
        log: the training users.
        simulator: the user whose action model proposes; only "language" asks it.
        k: actions a position.
        candidates: M, the most candidates a position that are reranked by reward.
        method: who proposes. "language": the items that ``simulator.preferences`` ranks highest.
            Controls: "random" (uniform), "popular" (most logged), "cooccurrence" (item
            neighbours of the last ten items: :class:`ItemNeighbours` with its defaults).
        rerank_tokens: how many actions in all the simulator may try in order to rank the
            candidates by reward instead. The budget is spread evenly: the best
            ``min(candidates, rerank_tokens // n_interactions)`` of each position are tried.
            0 ranks by preference alone, which costs nothing beyond labelling.
        labels: what ``simulator.label(log)`` gave, where it is already known.
        seed: seeds "random".
        later: whether an item that the user took later may be proposed. As an action of its own it
            would be logged twice, so it is not; as a soft target it should be, or what people went
            on to take would be learned as what they do not want.

    Raises:
        DataError: ``k``, ``candidates``, ``method`` or the budget makes no sense, or "language"
            was asked without a simulator.
        SimulatorError: the simulator has no action model.
    """
    n_tried = _candidates_tried(log, k, candidates, method, rerank_tokens)
    pick = _picker(log, simulator, method, labels, seed)
    rows = np.arange(len(log))
    actions, scores = best_unowned_items(log, rows, pick, max(k, n_tried), later)
    if method == "random":
        scores[actions >= 0] = 0.0
    if n_tried and simulator is not None:
        order = np.argsort(-_rewards(log, simulator, actions), axis=1, kind="stable")
        actions = np.take_along_axis(actions, order, axis=1)
        scores = np.take_along_axis(scores, order, axis=1)
    return Proposals(actions[:, :k].copy(), scores[:, :k].copy())


def soft_targets(proposals: Proposals, temperature: float = 1.0) -> FloatArray:
    """Weights of the proposed actions, float32 (n_interactions, K): softmax of scores over K.

    Rows sum to 1; a missing action weighs 0, and a row without any action sums to 0.

    Raises:
        DataError: the temperature is not positive.
    """
    if temperature <= 0:
        raise DataError(f"temperature must be positive, got {temperature}")
    scores = proposals.scores / np.float32(temperature)
    best = np.max(scores, axis=1, keepdims=True, initial=-np.inf)
    weights = np.exp(scores - np.where(np.isfinite(best), best, 0.0))
    total = weights.sum(axis=1, keepdims=True)
    return (weights / np.where(total > 0, total, 1.0)).astype(np.float32)


def _candidates_tried(
    log: InteractionLog, k: int, candidates: int, method: str, rerank_tokens: int
) -> int:
    if method not in METHODS:
        raise DataError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if not 1 <= k <= candidates:
        raise DataError(
            f"k must lie between 1 and candidates, got k={k} and candidates={candidates}"
        )
    if rerank_tokens == 0:
        return 0
    if method != "language":
        raise DataError(f"rerank_tokens belongs to method='language', but method is {method!r}")
    tried = min(candidates, rerank_tokens // max(1, len(log)))
    if tried <= k:
        raise DataError(
            f"rerank_tokens={rerank_tokens} pays for {tried} candidates at each of {len(log)} "
            f"positions, which leaves no choice of k={k}; give at least {(k + 1) * len(log)} "
            "with candidates above k, or 0 to rank by preference"
        )
    return tried


def _picker(
    log: InteractionLog,
    simulator: UserSimulator | None,
    method: str,
    labels: Labels | None,
    seed: int,
) -> Pick:
    """A function that picks the best items of rows of the log."""
    if method == "language":
        if simulator is None:
            raise DataError("method='language' needs a simulator; the controls need none")
        states = (labels or simulator.label(log)).states
        best_items = simulator.best_items
        return lambda rows, k, exclude: best_items(states[rows], k, exclude)
    if method == "random":
        rng = np.random.default_rng(seed)
        return _ranked(lambda rows: rng.random((len(rows), log.n_items), dtype=np.float32))
    if method == "popular":
        counts = _log(log.item_counts().astype(np.float32))
        return _ranked(lambda rows: np.repeat(counts[None], len(rows), axis=0))
    neighbours, starts = ItemNeighbours.of(log), np.repeat(log.offsets[:-1], log.lengths)
    return _ranked(lambda rows: _log(neighbours.scores(log.items, starts[rows], rows)))


def _ranked(score: Callable[[IntArray], FloatArray]) -> Pick:
    """Pick by scores of all items; minus infinity marks what is no candidate."""

    def pick(rows: IntArray, k: int, exclude: Pairs) -> tuple[IntArray, FloatArray]:
        scores = score(rows)
        scores[exclude] = -np.inf
        return top_k(scores, k)

    return pick


def best_unowned_items(
    log: InteractionLog, rows: IntArray, pick: Pick, k: int, later: bool = False
) -> tuple[IntArray, FloatArray]:
    """The K best items after each interaction that its user does not own, chunk by chunk.

    Args:
        log: who owns what.
        rows: int64 (n,), interactions of the log.
        pick: who picks, given the user's own items as those to leave out.
        k: items a row.
        later: whether an item that the user took only after the interaction may be picked.

    Returns:
        int64 items and float32 logits, both (n, K), best first; -1 and -inf where fewer exist.
    """
    users = log.row_users[rows]
    actions = np.full((len(rows), k), -1, dtype=np.int64)
    scores = np.full((len(rows), k), -np.inf, dtype=np.float32)
    with progress_bar("propose actions", len(rows)) as advance:
        for some in chunks(np.arange(len(rows)), max(1, CHUNK_CELLS // log.n_items)):
            actions[some], scores[some] = pick(some, k, _owned(log, users[some], rows[some], later))
            advance(len(some), "")
    return actions, scores


def _owned(log: InteractionLog, users: IntArray, rows: IntArray, later: bool) -> Pairs:
    """The users' own items, as pairs of a place in ``rows`` and an item: past and later ones, or
    with ``later`` allowed those up to the row alone."""
    offsets, owned = log.rows_of(users)
    places = np.repeat(np.arange(len(rows)), np.diff(offsets))
    left_out = owned <= rows[places] if later else slice(None)
    return places[left_out], log.items[owned[left_out]]


def _rewards(log: InteractionLog, simulator: UserSimulator, actions: IntArray) -> FloatArray:
    """Rewards of the tried actions, -inf where there is none; a few users' branches at a time."""
    rewards = np.empty(actions.shape, dtype=np.float32)
    limit = max(1, CHUNK_BRANCHES // actions.shape[1])
    groups = np.split(np.arange(log.n_users), np.flatnonzero(np.diff(log.offsets[1:] // limit)) + 1)
    with progress_bar("rerank by reward", actions.size) as advance:
        for group in groups:
            rows = slice(int(log.offsets[group[0]]), int(log.offsets[group[-1] + 1]))
            tried = np.maximum(actions[rows], 0)  # any item stands in for a missing one
            rewards[rows] = simulator.branch(log.select_users(group), tried).rewards
            advance(tried.size, "")
    rewards[actions < 0] = -np.inf
    return rewards


def _log(values: np.ndarray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.log(values).astype(np.float32)
