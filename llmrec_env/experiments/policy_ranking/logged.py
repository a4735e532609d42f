"""What a log of a recommender that explores tells of every policy of a panel, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray, chunks
from llmrec_env.common.files import atomic_path
from llmrec_env.common.progress import track
from llmrec_env.evaluation.intervals import resampled
from llmrec_env.evaluation.judge_quality import DRAWS, PolicyScores
from llmrec_env.evaluation.ope.one_step import OneStepSums
from llmrec_env.evaluation.policies import Policy, RandomPolicy, greedy_actions
from llmrec_env.experiments.policy_ranking.off_policy import SOFTENED
from llmrec_env.offline.collected import CollectedLog
from llmrec_env.users.base import UserSimulator

ROWS = 1024
"""Steps that are asked about at once."""
LOGGED = "logged"
"""The file of the logged items' likings, beside those of the policies."""
CHANCE = -1
"""Stands for what a policy shows that shows anything."""


def read_log(
    log: CollectedLog,
    simulator: UserSimulator,
    policies: Mapping[str, Policy],
    folder: Path,
    seed: int,
) -> None:
    """Write, for each policy, what it would show at every step and how the simulator likes that.

    A file ``NAME.npz`` each, with ``shown`` int64 (n_steps,) and ``liking`` float32 (n_steps,), and
    ``logged.npz`` of the items that were shown.

    Args:
        log: of the recommender that explores.
        simulator: whose liking it is.
        policies: those of which nothing is known yet.
        folder: where to.
        seed: of the items that stand for a policy that shows anything.
    """
    rows = chunks(np.arange(len(log)), ROWS)
    allowed = [log.allowed(some) for some in track(rows, "read the log")]
    shown = {LOGGED: log.items}
    for name, policy in policies.items():
        shown[name] = _choices(policy, log, rows, allowed)
    anything = _uniform(allowed, seed)
    asked = np.stack([np.where(own == CHANCE, anything, own) for own in shown.values()], axis=1)
    likings = np.concatenate([_likings(simulator, log, some, asked[some]) for some in rows])
    folder.mkdir(parents=True, exist_ok=True)
    left = np.concatenate([part.sum(axis=1) for part in allowed])
    for column, (name, own) in enumerate(shown.items()):
        with atomic_path(folder / f"{name}.npz") as path, path.open("wb") as file:
            np.savez_compressed(file, shown=own, liking=likings[:, column], left=left)


def scores_by_log(
    log: CollectedLog, folder: Path, names: Sequence[str], corrected: bool, seed: int
) -> PolicyScores:
    """One-step estimates of policies, each of whose choices a tenth is left to chance.

    Args:
        log: of the recommender that explores.
        folder: what :func:`read_log` wrote.
        names: the policies.
        corrected: whether the simulator's liking is the model of a doubly robust estimate; else
            importance sampling alone.
        seed: of the samples of the log's users.
    """
    _, owners = np.unique(log.user_ids.to_numpy(), return_inverse=True)
    steps = owners[log.row_episodes]
    rewards = log.rewards.astype(np.float64)
    base = np.load(folder / f"{LOGGED}.npz")
    logged, left = base["liking"].astype(np.float64), base["left"]
    sums = []
    for name in names:
        own = np.load(folder / f"{name}.npz")
        is_chance = bool((own["shown"] == CHANCE).all())
        softened = 1.0 if is_chance else SOFTENED
        ratios = ((1 - softened) * (own["shown"] == log.items) + softened / left) / log.propensities
        value = (1 - SOFTENED) * own["liking"].astype(np.float64)  # the rest is alike for all
        pair = (logged, value) if corrected else (None, None)
        sums.append(OneStepSums.of(steps, ratios, rewards, *pair))
    n_users = int(owners.max()) + 1
    samples = resampled(n_users, DRAWS, seed + 1)
    values = [own.values(np.ones((1, n_users)))[0] for own in sums]
    return PolicyScores(np.array(values), np.stack([own.values(samples) for own in sums], axis=1))


def _choices(
    policy: Policy, log: CollectedLog, rows: Sequence[IntArray], allowed: Sequence[BoolArray]
) -> IntArray:
    """What a policy would show at every step; CHANCE where it shows anything."""
    if isinstance(policy, RandomPolicy):
        return np.full(len(log), CHANCE, dtype=np.int64)
    if hasattr(policy, "begin"):
        policy.begin(log.n_items)
    pairs = list(zip(rows, allowed, strict=True))
    return np.concatenate(
        [
            greedy_actions(policy, log.observed(policy, some), may)
            for some, may in track(pairs, "ask a policy")
        ]
    )


def _uniform(allowed: Sequence[BoolArray], seed: int) -> IntArray:
    """An allowed item of every step, int64 (n_steps,)."""
    rng = np.random.default_rng(seed)
    return np.concatenate([(rng.random(part.shape) * part).argmax(axis=1) for part in allowed])


def _likings(
    simulator: UserSimulator, log: CollectedLog, rows: IntArray, items: IntArray
) -> FloatArray:
    """How users who had taken what was taken before some steps like items (N, C)."""
    histories = []
    for row in rows.tolist():
        episode = log.row_episodes[row]
        before = slice(log.offsets[episode], row)
        taken = log.items[before][log.accepted[before]]
        histories.append(np.concatenate([log.histories[episode], taken]))
    return simulator.score(histories, items)
