"""Converts transitions to d3rlpy datasets, and trains d3rlpy's algorithms on them.

How d3rlpy 2.8 reads a dataset decides its layout. An episode of n rows that ends ``terminal`` gives
n transitions; one that ends by a timeout gives n - 1, its last row only serving as the next state
of the row before. So a user's log is one terminal episode, and each augmented row is an episode of
two rows with a timeout: its first is sampled, its second never is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.errors import DataError
from llmrec_env.common.progress import progress_bar
from llmrec_env.data.log import InteractionLog
from llmrec_env.offline.d3rlpy.library import d3rlpy, quiet, seeded
from llmrec_env.offline.table import Transitions
from llmrec_env.offline.transitions import transitions
from llmrec_env.users.base import UserSimulator


def to_mdp_dataset(
    source: Transitions | InteractionLog, simulator: UserSimulator | None = None, **options: Any
) -> Any:
    """A ``d3rlpy.dataset.MDPDataset`` over discrete actions, the items of the catalogue.

    Its ``transition_count`` is the number of rows of the table, and every transition sampled from
    it is a row of the table.

    Args:
        source: a table of transitions, or a log to make one of.
        simulator: who labels and augments the log; only with a log.
        options: further arguments of :func:`llmrec_env.offline.transitions`; only with a log.

    Raises:
        DataError: a table came with a simulator or options, or its logged rows are no whole
            episodes, or :func:`llmrec_env.offline.transitions` refuses the log.
    """
    if isinstance(source, InteractionLog):
        table = transitions(source, simulator, **options)
    elif simulator is None and not options:
        table = source
    else:
        raise DataError("simulator and options belong to a log; this table is already made")
    logged, added = ~table.augmented, table.augmented
    users, terminal = table.user[logged], table.terminal[logged]
    ends = np.append(users[1:] != users[:-1], True)
    if not np.array_equal(ends[: len(users)], terminal):
        raise DataError(
            "the logged rows are no whole episodes: each user's rows must stand together and in "
            "order, the last one terminal (has the table been filtered or shuffled?)"
        )
    follow_up = np.tile([False, True], int(added.sum()))
    with quiet():
        return d3rlpy.dataset.MDPDataset(
            observations=np.concatenate(
                [table.state[logged], _interleave(table.state[added], table.next_state[added])]
            ),
            actions=np.concatenate(
                [table.action[logged], _interleave(table.action[added], table.next_action[added])]
            ),
            rewards=np.concatenate(
                [table.reward[logged], _interleave(table.reward[added], table.next_reward[added])]
            ),
            terminals=np.concatenate([terminal, np.zeros_like(follow_up)]).astype(np.float32),
            timeouts=np.concatenate([np.zeros_like(terminal), follow_up]).astype(np.float32),
            action_space=d3rlpy.ActionSpace.DISCRETE,
            action_size=table.n_items,
        )


def train(
    algo: Any, dataset: Any, n_steps: int, seed: int = 0, log_every: int = 1000
) -> list[dict[str, float]]:
    """Fit a d3rlpy algorithm quietly: no log lines, no folder of files, our progress bar.

    d3rlpy draws from the global generators; they are seeded here and put back afterwards.

    Args:
        algo: a d3rlpy algorithm over discrete actions.
        dataset: what :func:`to_mdp_dataset` gave.
        n_steps: gradient steps, above ``log_every`` rounded down to a multiple of it.
        seed: seeds the initial weights (of an algorithm not built yet) and the batches.
        log_every: steps between two rows of the result.

    Returns:
        One row each ``log_every`` steps: "step" and the means of d3rlpy's metrics over them.
    """
    per_row = min(n_steps, log_every)
    with quiet(), seeded(seed), progress_bar(type(algo).__name__, n_steps) as advance:
        results = algo.fit(
            dataset,
            n_steps=n_steps,
            n_steps_per_epoch=per_row,
            logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
            show_progress=False,
            callback=lambda algo, epoch, step: advance(1, ""),
        )
    return [{"step": float(epoch * per_row), **metrics} for epoch, metrics in results]


def _interleave(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """first[0], second[0], first[1], second[1], …"""
    return np.stack([first, second], axis=1).reshape(-1, *first.shape[1:])
