"""``to_mdp_dataset``: a log, or a table of its transitions, as a dataset of d3rlpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.data.log import InteractionLog
from llmrec_env.offline.d3rlpy.transitions_dataset import TransitionsDataset
from llmrec_env.offline.table import Transitions
from llmrec_env.offline.transitions import transitions
from llmrec_env.users.base import UserSimulator


def to_mdp_dataset(
    source: Transitions | InteractionLog,
    simulator: UserSimulator | None = None,
    augmented: bool = True,
    max_episode_steps: int | None = None,
    **options: Any,
) -> TransitionsDataset:
    """A ``d3rlpy.dataset.MDPDataset`` over discrete actions, the items of the catalogue.

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

    Args:
        source: a table of transitions, or a log to make one of.
        simulator: who labels and augments the log; only with a log.
        augmented: whether augmented rows go along.
        max_episode_steps: the most steps of an episode; a user's whole log is one where None.
        options: further arguments of :func:`llmrec_env.offline.transitions`; only with a log.

    Raises:
        DataError: a table came with a simulator or options, or its logged rows are no whole
            episodes, or :func:`llmrec_env.offline.transitions` refuses the log.
        SettingError: ``max_episode_steps`` is below 1.
    """
    if max_episode_steps is not None and max_episode_steps < 1:
        raise SettingError(f"max_episode_steps must be at least 1, got {max_episode_steps}")
    if isinstance(source, InteractionLog):
        table = transitions(source, simulator, **options)
    elif simulator is None and not options:
        table = source
    else:
        raise DataError("simulator and options belong to a log; this table is already made")
    logged = ~table.augmented
    users, terminal = table.user[logged], table.terminal[logged]
    ends = np.append(users[1:] != users[:-1], True)
    if not len(users) or not np.array_equal(ends, terminal):
        raise DataError(
            "the logged rows are no whole episodes: each user's rows must stand together and in "
            "order, the last one terminal (has the table been filtered or shuffled?)"
        )
    chosen = table if augmented else table.rows(logged)
    return TransitionsDataset.of(chosen, max_episode_steps=max_episode_steps)
