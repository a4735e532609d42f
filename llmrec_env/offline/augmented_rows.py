"""Augmented rows of a transitions table: proposed actions tried after logged steps."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.progress import track
from llmrec_env.common.top_k import Pairs
from llmrec_env.data.log import InteractionLog
from llmrec_env.offline.augmentation import Proposals, best_unowned_items
from llmrec_env.offline.table import Transitions
from llmrec_env.users.base import UserSimulator


def augmented_rows(
    log: InteractionLog,
    simulator: UserSimulator | None,
    logged: Transitions,
    proposals: Proposals,
    reward_source: str,
    ask_follow_up: bool,
) -> Transitions:
    """One transition for each proposed action that a logged one stands beside."""
    before = np.flatnonzero(log.row_goes_on)
    step, rank = np.nonzero(proposals.actions[before] >= 0)
    action = proposals.actions[before[step], rank]
    user, rows = logged.user[step], before[step]
    reward = np.full(len(step), logged.reward.mean(), dtype=np.float32)
    next_action, next_reward = logged.action[step], logged.reward[step]
    if simulator is not None:
        tried = np.maximum(proposals.actions[before], 0)  # any item stands in for a missing one
        branches = simulator.branch(log.keep(log.row_goes_on), tried)
        next_state = branches.states[step, rank]
        next_action = _next_actions(log, simulator, rows, action, next_state, next_action)
        if reward_source == "language":
            reward = branches.rewards[step, rank]
        next_reward = reward
        if reward_source == "language" and ask_follow_up:
            next_reward = _follow_up_rewards(log, simulator, user, rows, action, next_action)
    if logged.kind == "history":
        next_state = np.column_stack([logged.state[step, 1:], action.astype(np.float32)])
    return Transitions(
        state=logged.state[step],
        action=action,
        reward=reward,
        next_state=next_state,
        next_action=next_action,
        next_reward=next_reward,
        terminal=np.zeros(len(step), dtype=bool),
        augmented=np.ones(len(step), dtype=bool),
        user=user,
        n_items=logged.n_items,
        kind=logged.kind,
    )


def _next_actions(
    log: InteractionLog,
    simulator: UserSimulator,
    rows: IntArray,
    actions: IntArray,
    states: FloatArray,
    otherwise: IntArray,
) -> IntArray:
    """What the simulator would take after ``actions``; ``otherwise`` where it names no item."""

    def pick(some: IntArray, k: int, own: Pairs) -> tuple[IntArray, FloatArray]:
        tried = np.arange(len(some)), actions[some]
        exclude = np.append(own[0], tried[0]), np.append(own[1], tried[1])
        return simulator.best_items(states[some], k, exclude)

    try:
        best = best_unowned_items(log, rows, pick, k=1)[0][:, 0]
    except SimulatorError:  # it answers, but names no items
        return otherwise
    return np.where(best >= 0, best, otherwise)


def _follow_up_rewards(
    log: InteractionLog,
    simulator: UserSimulator,
    users: IntArray,
    rows: IntArray,
    taken: IntArray,
    shown: IntArray,
) -> FloatArray:
    """Rewards of ``shown`` after the history up to each of ``rows`` and the item ``taken``."""
    rewards = np.empty(len(rows), dtype=np.float32)
    simulator = simulator.with_users(log)
    starts = log.offsets[users]
    by_length = np.argsort(rows - starts, kind="stable")
    chunks = [by_length[i : i + 256] for i in range(0, len(rows), 256)]
    for chunk in track(chunks, "ask after augmented actions"):
        histories = [
            np.append(log.items[start : row + 1], item)
            for start, row, item in zip(starts[chunk], rows[chunk], taken[chunk], strict=True)
        ]
        session = simulator.open(histories, users[chunk])
        rewards[chunk] = session.respond(shown[chunk]).reward
    return rewards
