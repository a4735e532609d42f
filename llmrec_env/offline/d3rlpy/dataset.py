"""``to_mdp_dataset``: a log, or a table of its transitions, as a dataset of d3rlpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.common.checks import ENDLESS, check_counts
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.data.log import InteractionLog
from llmrec_env.offline.collected import CollectedLog
from llmrec_env.offline.d3rlpy.algorithms import Actions
from llmrec_env.offline.d3rlpy.points import points_of_items
from llmrec_env.offline.d3rlpy.transitions_dataset import TransitionsDataset, played
from llmrec_env.offline.table import Transitions
from llmrec_env.offline.transitions import transitions
from llmrec_env.users.base import UserSimulator


def to_mdp_dataset(
    source: Transitions | InteractionLog | CollectedLog,
    simulator: UserSimulator | None = None,
    augmented: bool = True,
    actions: Actions = "item",
    item_points: FloatArray | None = None,
    max_episode_steps: int | None = None,
    **options: Any,
) -> TransitionsDataset:
    """A ``d3rlpy.dataset.MDPDataset`` whose actions are items, or the points where they lie.

    Its ``transition_count`` is the number of rows of the table, and every transition sampled from
    it is a row of the table. Its ``episodes`` are the users' logged sequences: augmented rows are
    sampled as transitions, and are no episodes for initial-state values, off-policy estimates or
    decision transformers.

    States are as long as the simulator's: ``gym.make(..., observation="bare_state")`` observes
    the same, to evaluate with d3rlpy's ``EnvironmentEvaluator`` and to go on learning online.

    An episode ends, terminal, where the user's log ends: a log does not say when patience was used
    up, and everything in it was taken. The return to go of a logged step is therefore what the rest
    of the log pays, which for a long log is more than an episode of the environment can.
    ``max_episode_steps`` cuts logs into episodes of the environment's length; their cuts are no
    terminals, and every transition stays.

    The episodes of a collected log (:class:`~llmrec_env.offline.collected.CollectedLog`) are the
    environment's own: observations as the policy saw them, what was shown, taken or not, and ends
    where the user left. Where the time limit cut one, it has one more row than steps, of reward 0,
    which d3rlpy samples as the state that came next and as nothing else.

    Args:
        source: a table of transitions, a log to make one of, or a collected log.
        simulator: who labels and augments the log; with a table only where ``actions`` are
            embeddings, to say where items lie.
        augmented: whether augmented rows go along.
        actions: "item", its index, for d3rlpy's discrete algorithms and ``LLMRec/NextItem-v1``; or
            "embedding", the point in item space where it lies, float32 (d,) in [-1, 1], for the
            continuous ones and ``LLMRec/ItemEmbedding-v0``.
        item_points: float32 (n_items, d), where items lie, for "embedding"; where None, where the
            environment has them for this simulator.
        max_episode_steps: the most steps of an episode; a user's whole log is one where None.
        options: further arguments of :func:`llmrec_env.offline.transitions`; only with a log.

    Raises:
        DataError: a table came with what belongs to a log, or its logged rows are no whole
            episodes, or :func:`llmrec_env.offline.transitions` refuses the log.
        SettingError: ``actions`` is neither, nobody says where items lie, or
            ``max_episode_steps`` is below 1.
    """
    if actions not in ("item", "embedding"):
        raise SettingError(f"actions must be 'item' or 'embedding', got {actions!r}")
    if max_episode_steps is not None:
        check_counts(ENDLESS, max_episode_steps=max_episode_steps)
    if isinstance(source, CollectedLog):
        if max_episode_steps is not None or options:
            raise DataError("max_episode_steps and options belong to a log, not to a collected one")
        return _of_collected(source, _points(actions, item_points, simulator, source.n_items))
    if isinstance(source, InteractionLog):
        table = transitions(source, simulator, **options)
    elif (simulator is None or actions == "embedding") and not options:
        table = source
    else:
        raise DataError("simulator and options belong to a log; this table is already made")
    points = _points(actions, item_points, simulator, table.n_items)
    logged = ~table.augmented
    _check_whole(table.user[logged], table.terminal[logged])
    chosen = table if augmented else table.rows(logged)
    return TransitionsDataset.of(chosen, points, max_episode_steps)


def _points(
    actions: Actions, item_points: FloatArray | None, simulator: UserSimulator | None, n_items: int
) -> FloatArray | None:
    """Where items lie, float32 (n_items, d); None where actions are items."""
    if actions == "item":
        return None
    return points_of_items(item_points, simulator, (n_items, None))


def _of_collected(log: CollectedLog, points: FloatArray | None) -> TransitionsDataset:
    actions = log.items if points is None else points[log.items]
    return TransitionsDataset(
        [
            played(
                log.observations[rows],
                actions[rows],
                log.rewards[rows],
                None if log.terminated[episode] else log.last_observations[episode],
            )
            for episode, rows in enumerate(log.episode_rows)
        ],
        log.n_items if points is None else None,
    )


def _check_whole(users: IntArray, terminal: BoolArray) -> None:
    """Refuse logged rows, in their order, that are no whole episodes."""
    ends = np.append(users[1:] != users[:-1], True)
    if not len(users) or not np.array_equal(ends, terminal):
        raise DataError(
            "the logged rows are no whole episodes: each user's rows must stand together and in "
            "order, the last one terminal (has the table been filtered or shuffled?)"
        )
