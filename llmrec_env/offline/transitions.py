"""``transitions``: turns a log into a table of labelled and augmented transitions.

Logged rows: for every user and every interaction t but the last, (s_t, item t+1, its reward,
s_t+1), terminal at the user's last interaction. Augmented rows: (s_t, a, r, s(h_t + a)), where a
is an action that the simulator proposed and h_t + a the history had the user taken it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
import polars as pl

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.checks import check_counts
from llmrec_env.common.errors import DataError
from llmrec_env.data.catalogue import check_same_catalogue
from llmrec_env.data.events import CLICK_REWARD, PURCHASE_REWARD, purchased
from llmrec_env.data.log import InteractionLog, check_log
from llmrec_env.offline.augmentation import Proposals, propose
from llmrec_env.offline.augmented_rows import augmented_rows
from llmrec_env.offline.table import Transitions
from llmrec_env.users.base import Labels, UserSimulator
from llmrec_env.users.named import find_simulator

State = Literal["language", "history"]
Reward = Literal["language", "constant", "rating", "event"]


def transitions(
    log: InteractionLog,
    simulator: UserSimulator | str | os.PathLike[str] | None = None,
    state: State | None = None,
    reward: Reward | None = None,
    augment: int | Proposals = 0,
    ask_follow_up: bool = True,
    history_length: int = 50,
) -> Transitions:
    """Turn a log into transitions.

    Args:
        log: the users; a user with one interaction gives no transition.
        simulator: who labels and augments: a simulator, the folder of a saved one, or a name such
            as "embedded", as ``gym.make`` takes them. None gives the plain logged version.
        state: "language" (``simulator.label`` states) or "history" (the last ``history_length``
            items). None: "language" with a simulator, else "history".
        reward: "language" (the simulator's liking of the logged item), "constant" (1), "rating"
            (scaled to [0, 1] over the log) or "event" (:func:`event_rewards`). None: "language"
            with a simulator, else "constant". Unless it is "language", an augmented action earns
            the mean logged reward.
        augment: add the K actions that the simulator proposes at every step, or those of
            :func:`propose` with settings of your own (such as a control method).
        ask_follow_up: ask the simulator for the reward of its own next action after an augmented
            one (``next_reward``), which costs a re-reading of each history. False writes the
            augmented action's own reward there; one-step learners read neither.
        history_length: items in a "history" state.

    Raises:
        DataError: an option needs a simulator or a column that is not there, the simulator has
            another catalogue, the proposals are of another log, or nobody has two interactions.
    """
    check_log(log)
    check_counts(history_length=history_length)
    if simulator is not None:
        simulator = find_simulator(simulator)
    kind = state or ("history" if simulator is None else "language")
    reward_source = reward or ("constant" if simulator is None else "language")
    _check(log, simulator, kind, reward_source, augment)
    labels = simulator.label(log) if simulator and "language" in (kind, reward_source) else None
    rewards = _rewards(log, labels, reward_source)
    if labels is not None and kind == "language":
        states = labels.states
    else:
        states = padded_histories(log, np.arange(len(log)), history_length)
    logged = _logged(log, states, rewards, kind)
    if isinstance(augment, int) and augment > 0:
        augment = propose(log, simulator, k=augment, labels=labels)
    if isinstance(augment, Proposals):
        added = augmented_rows(log, simulator, logged, augment, reward_source, ask_follow_up)
        return logged.followed_by(added)
    return logged


def padded_histories(log: InteractionLog, rows: IntArray, length: int) -> FloatArray:
    """The last ``length`` items up to each row, float32 (len(rows), length), most recent last.

    Left-padded with ``log.n_items``, as the environment's "history" observation is.
    """
    first = log.offsets[np.searchsorted(log.offsets, rows, side="right") - 1]
    columns = rows[:, None] - np.arange(length - 1, -1, -1)
    items = np.where(columns >= first[:, None], log.items[np.maximum(columns, 0)], log.n_items)
    return items.astype(np.float32)


def _check(
    log: InteractionLog,
    simulator: UserSimulator | None,
    kind: str,
    reward_source: str,
    augment: int | Proposals,
) -> None:
    if kind not in ("language", "history"):
        raise DataError(f"state must be 'language' or 'history', got {kind!r}")
    if reward_source not in ("language", "constant", "rating", "event"):
        raise DataError(
            f"reward must be 'language', 'constant', 'rating' or 'event', got {reward_source!r}"
        )
    if isinstance(augment, int) and augment < 0:
        raise DataError(f"augment counts actions a step, 0 or more; got {augment}")
    if simulator is None:
        for option, value in (("state", kind), ("reward", reward_source)):
            if value == "language":
                raise DataError(f"{option}='language' needs a simulator: it comes from its labels")
        if augment and isinstance(augment, int):
            raise DataError(
                f"augment={augment} needs a simulator to propose actions; for a control, give the "
                "Proposals of propose(log, method='popular') or another method"
            )
    else:
        check_same_catalogue(simulator.catalogue, log.catalogue, "the log, for this simulator")
    if isinstance(augment, Proposals) and len(augment.actions) != len(log):
        raise DataError(
            f"the proposals are for {len(augment.actions)} interactions, the log has {len(log)}"
        )
    if not len(log) or int(log.lengths.max()) < 2:
        raise DataError("no transitions: no user of the log has two interactions")


def _rewards(log: InteractionLog, labels: Labels | None, reward_source: str) -> FloatArray:
    """The reward of every logged interaction."""
    if reward_source == "language" and labels is not None:
        return labels.rewards
    if reward_source == "constant":
        return np.ones(len(log), dtype=np.float32)
    if reward_source not in log.feedback.columns:
        raise DataError(
            f"reward={reward_source!r} needs the log's column {reward_source!r}; "
            f"it has {log.feedback.columns}"
        )
    values = log.feedback[reward_source]
    if reward_source == "rating":
        if values.null_count():
            raise DataError(
                f"reward='rating' needs a rating in every row, and {values.null_count():,} of "
                f"{len(log):,} have none; keep the kinds of events that have one (only_events=…)"
            )
        ratings = values.to_numpy()
        low, high = ratings.min(), ratings.max()
        return np.ones_like(ratings) if low == high else (ratings - low) / (high - low)
    return event_rewards(values, own=log.reading.event_rewards)


def event_rewards(
    events: pl.Series,
    click: float = CLICK_REWARD,
    purchase: float = PURCHASE_REWARD,
    own: Mapping[str, float] = MappingProxyType({}),
) -> FloatArray:
    """Rewards of a log's clicks and purchases (:mod:`llmrec_env.data.events`), float32 (n,).

    Args:
        events: their names.
        click, purchase: what each pays.
        own: events that pay something else (``Reading.event_rewards``).

    Raises:
        DataError: an event is none of these.
    """
    rewards = np.where(purchased(events, own), np.float32(purchase), np.float32(click))
    for name, reward in own.items():
        rewards[(events == name).to_numpy()] = reward
    return rewards


def _logged(log: InteractionLog, states: FloatArray, rewards: FloatArray, kind: str) -> Transitions:
    before = np.flatnonzero(log.row_goes_on)
    after = before + 1
    terminal = np.isin(after, log.offsets[1:] - 1)
    follower = np.where(terminal, after, after + 1)
    return Transitions(
        state=states[before],
        action=log.items[after],
        reward=rewards[after],
        next_state=states[after],
        next_action=np.where(terminal, -1, log.items[follower]),
        next_reward=np.where(terminal, np.float32(0), rewards[follower]),
        terminal=terminal,
        augmented=np.zeros(len(before), dtype=bool),
        user=log.row_users[before],
        n_items=log.n_items,
        kind=kind,
    )
