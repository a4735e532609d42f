"""Learns when users leave from the sessions of users from whom the LE did not learn.

Validation users are known to the LE as little as those whom it will be asked about. The hazard is
fitted by maximum likelihood with a ridge, and every fifth of the users is told by the others: where
the features do not tell surely more of their sessions than a constant chance does, they are
forgotten and the constant stays.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray
from llmrec_env.common.logistic import fit_logistic, log_odds, sigmoid
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.sessions import LogSessions, Wanted, sessions_of
from llmrec_env.data.visits import FEATURES, Visits
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.labelling import branch_log, label_log
from llmrec_env.language.leaving import After, standardised
from llmrec_env.language.model import LanguageEnvironment

USERS = 2000
"""Validation users whose sessions are read at most."""
ENOUGH = 50
"""Sessions, and items that did not end one, without which nothing is learned."""
FOLDS, RIDGE, BINS = 5, 3.0, 10
OF_A_STEP = 8
"""Skips of a step whose liking is asked; of others it is not known."""


class Events(NamedTuple):
    """What was shown in sessions, in the order of the sessions and within each of time.

    Attributes:
        sessions: int64 (n,), from 0.
        users: int64 (n,).
        items: int64 (n,).
        took: bool (n,).
        likings: float64 (n,), how the LE says that they were liked; NaN where it cannot.
        ends: bool (n,), the last one of its session.
        known: bool (n,), whether it is known that the session ended there, or did not.
    """

    sessions: IntArray
    users: IntArray
    items: IntArray
    took: BoolArray
    likings: Float64Array
    ends: BoolArray
    known: BoolArray


def learn_leaving(
    model: LanguageEnvironment, log: InteractionLog, seed: int = 0, wanted: Wanted = "auto"
) -> dict[str, Any] | None:
    """Learn when users leave, from the sessions of users from whom the LE did not learn.

    Args:
        model: the LE, which says how items are liked.
        log: the held-out users; a seeded choice of :data:`USERS` at most is read.
        seed: of that choice, and of the folds.
        wanted: what tells their sessions (:func:`~llmrec_env.data.sessions.sessions_of`).

    Returns:
        What :meth:`Leaving.of` reads, with how it did on held-out users; None where the log tells
        no sessions, or too few.

    Raises:
        DataError: what is to tell sessions is not in the log.
    """
    chosen = np.random.default_rng(seed).permutation(log.n_users)[:USERS]
    log = log.select_users(np.sort(chosen))
    sessions = sessions_of(log, wanted)
    if sessions is None or sessions.count < ENOUGH:
        return None
    with torch.inference_mode():
        le = AnsweringLE(model)
        vectors = le.tables.vectors.float().cpu().numpy()
    events = _events(le, log, sessions)
    after: After = "taken" if events.took.all() else "shown"
    features = _features(events, vectors)
    asked = events.known & (events.took | (after == "shown"))
    x, left, users = features[asked], events.ends[asked], events.users[asked]
    if min(int(left.sum()), int((~left).sum())) < ENOUGH:
        return None
    return {"told": sessions.told, "after": after, "sessions": sessions.count} | _fit(
        x, left.astype(np.float64), users, seed
    )


def _fit(x: Float64Array, left: Float64Array, users: IntArray, seed: int) -> dict[str, Any]:
    """The hazard, and what it says of users by whom it was not learned."""
    _, owner = np.unique(users, return_inverse=True)
    count = int(owner.max()) + 1
    fold = np.random.default_rng([seed, 2]).permutation(count)[owner] % FOLDS
    told, constant = np.zeros(len(x)), np.zeros(len(x))
    for own in range(FOLDS):
        others = fold != own
        if not others.any() or others.all():
            continue
        means, scales, weights, offset = _regression(x[others], left[others])
        told[~others] = sigmoid(offset + standardised(x[~others], means, scales) @ weights)
        constant[~others] = sigmoid(np.array(log_odds(left[others].mean(), int(others.sum()))))
    gains = _log_likelihood(told, left) - _log_likelihood(constant, left)
    sums = np.bincount(owner, weights=gains, minlength=count)
    error = float(np.sqrt(count / max(1, count - 1) * ((sums - sums.mean()) ** 2).sum()))
    gain, half = float(gains.mean()), 1.96 * error / len(x)
    kept = gain - half > 0
    means, scales, weights, offset = _regression(x, left)
    if not kept:
        weights, offset = np.zeros_like(weights), log_odds(float(left.mean()), len(x))
    return {
        "kept": "features" if kept else "constant",
        "offset": float(offset),
        "features": list(FEATURES),
        "weights": weights.tolist(),
        "means": means.tolist(),
        "scales": scales.tolist(),
        "rate": float(left.mean()),
        "items": len(x),
        "log_likelihood_above_constant": [gain, gain - half, gain + half],
        "ece": _calibration_error(told if kept else constant, left),
    }


def _regression(
    x: Float64Array, left: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array, float]:
    """Means and scales of the features, their weights, and the offset."""
    known = ~np.isnan(x)
    count = np.maximum(1, known.sum(axis=0))
    means = np.where(known, x, 0.0).sum(axis=0) / count
    scales = np.sqrt((np.where(known, x - means, 0.0) ** 2).sum(axis=0) / count)
    scales = np.where(scales > 1e-9, scales, 1.0)
    weights, offset = fit_logistic(standardised(x, means, scales), left, RIDGE)
    return means, scales, weights, offset


def _log_likelihood(chance: Float64Array, left: Float64Array) -> Float64Array:
    inside = np.clip(chance, 1e-9, 1 - 1e-9)
    return left * np.log(inside) + (1 - left) * np.log1p(-inside)


def _calibration_error(chance: Float64Array, left: Float64Array) -> float:
    """Expected calibration error over bins of as many items each."""
    parts = np.array_split(np.argsort(chance, kind="stable"), min(BINS, len(chance)))
    apart = [abs(float(chance[own].mean() - left[own].mean())) * len(own) for own in parts]
    return sum(apart) / len(chance)


def _events(le: AnsweringLE, log: InteractionLog, sessions: LogSessions) -> Events:
    """What was shown in the sessions of a log, skips too where they are told with sessions.

    A skip is kept with the user's next take, so of users with several sessions nobody knows which
    skips ended one: then the takes alone count.
    """
    likings = label_log(le, log)[1].astype(np.float64)
    rows = np.arange(len(log))
    numbers, users, items = sessions.numbers, log.row_users, log.items
    took, key = np.ones(len(log), dtype=np.bool_), 2 * rows + 1
    known = sessions.known
    is_known = sessions.told == "column" and sessions.count == log.n_users
    if log.skips is not None and len(log.skips) and is_known:
        place = log.offsets[:-1][log.skips.row_users] + log.skips.after
        at_end = log.skips.after == log.lengths[log.skips.row_users]
        owner = place - at_end  # of skips after the last item, that item's session
        numbers = np.concatenate([numbers, numbers[owner]])
        users = np.concatenate([users, log.skips.row_users])
        items = np.concatenate([items, log.skips.items])
        took = np.concatenate([took, np.zeros(len(log.skips), dtype=np.bool_)])
        key = np.concatenate([key, 2 * place])
        likings = np.concatenate([likings, _skipped_likings(le, log)])
        known = np.ones(len(items), dtype=np.bool_)
    order = np.lexsort((key, numbers))
    numbers = numbers[order]
    ends = np.append(numbers[1:] != numbers[:-1], True)
    return Events(
        numbers, users[order], items[order], took[order], likings[order], ends, known[order]
    )


def _skipped_likings(le: AnsweringLE, log: InteractionLog) -> Float64Array:
    """How each skip of a log would have been liked, float64 (n_skips,); NaN where nobody asks."""
    assert log.skips is not None
    rows = log.offsets[:-1][log.skips.row_users] + log.skips.after - 1
    step = np.flatnonzero(
        np.append(True, (np.diff(rows) != 0) | (np.diff(log.skips.row_users) != 0))
    )
    place = np.arange(len(rows)) - np.repeat(step, np.diff(np.append(step, len(rows))))
    asked = (log.skips.after > 0) & (place < OF_A_STEP)
    tried = np.full((len(log), OF_A_STEP), -1, dtype=np.int64)
    tried[rows[asked], place[asked]] = log.skips.items[asked]
    answers, _ = branch_log(le, log, tried)
    found = np.full(len(rows), np.nan)
    found[asked] = answers[rows[asked], place[asked]]
    return found


def _features(events: Events, vectors: FloatArray) -> Float64Array:
    """What the session was like just after each item, float64 (n, F)."""
    starts = np.flatnonzero(np.append(True, np.diff(events.sessions) != 0))
    lengths = np.diff(np.append(starts, len(events.sessions)))
    order = np.argsort(-lengths, kind="stable")  # so that those that go on stand first
    starts, lengths = starts[order], lengths[order]
    visits = Visits.begun(np.zeros(len(starts), dtype=np.int64), vectors.shape[1])
    found = np.zeros((len(events.sessions), len(FEATURES)))
    for place in range(int(lengths[0])):
        going = int((lengths > place).sum())
        visits = visits.first(going)
        rows = starts[:going] + place
        everyone = np.ones(going, dtype=np.bool_)
        visits = visits.after(
            everyone, events.took[rows], events.likings[rows], vectors[events.items[rows]]
        )
        found[rows] = visits.features
    return found
