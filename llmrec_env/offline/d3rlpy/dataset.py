"""Converts transitions to d3rlpy datasets, and trains d3rlpy's algorithms on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmrec_env.common.errors import DataError
from llmrec_env.common.progress import progress_bar
from llmrec_env.data.log import InteractionLog
from llmrec_env.offline.d3rlpy.library import d3rlpy, quiet, seeded
from llmrec_env.offline.d3rlpy.transitions_dataset import TransitionsDataset
from llmrec_env.offline.table import Transitions
from llmrec_env.offline.transitions import transitions
from llmrec_env.users.base import UserSimulator


def to_mdp_dataset(
    source: Transitions | InteractionLog,
    simulator: UserSimulator | None = None,
    augmented: bool = True,
    **options: Any,
) -> TransitionsDataset:
    """A ``d3rlpy.dataset.MDPDataset`` over discrete actions, the items of the catalogue.

    Its ``transition_count`` is the number of rows of the table, and every transition sampled from
    it is a row of the table. Its ``episodes`` are the users' logged sequences: augmented rows are
    sampled as transitions, and are no episodes for initial-state values, off-policy estimates or
    decision transformers.

    States are as long as the simulator's: ``gym.make(..., observation="bare_state")`` observes
    the same, to evaluate with d3rlpy's ``EnvironmentEvaluator`` and to go on learning online.

    Args:
        source: a table of transitions, or a log to make one of.
        simulator: who labels and augments the log; only with a log.
        augmented: whether augmented rows go along.
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
    logged = ~table.augmented
    users, terminal = table.user[logged], table.terminal[logged]
    ends = np.append(users[1:] != users[:-1], True)
    if not len(users) or not np.array_equal(ends, terminal):
        raise DataError(
            "the logged rows are no whole episodes: each user's rows must stand together and in "
            "order, the last one terminal (has the table been filtered or shuffled?)"
        )
    return TransitionsDataset.of(table if augmented else table.rows(logged))


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
