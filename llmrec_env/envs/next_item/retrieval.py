"""Retrieval: K candidates for each user, out of a catalogue too large to be an action space.

``retrieve=`` of the environment is one of

* None: the simulator's own action model, ``best_items``, in ``own_choice.py``;
* anything with ``action_scores(observation)`` over all items: a fitted recommender of ``agents``, a
  policy of ``evaluation``;
* a function ``retrieve(users, k)`` that names item indices, int64 (N, k), best first, -1 for none;
  or those and their float scores, (N, k).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.common.top_k import top_k
from llmrec_env.envs.next_item.own_choice import OwnChoice
from llmrec_env.envs.next_item.users_now import UsersNow
from llmrec_env.users.base import UserSimulator

Retrieved = IntArray | tuple[IntArray, FloatArray]
Retrieve = Callable[[UsersNow, int], Retrieved]


def resolve_retrieval(retrieve: Any, simulator: UserSimulator) -> Retrieve:
    """The function that an environment's ``retrieve=`` stands for.

    Raises:
        SettingError: it is nothing that retrieves.
    """
    if retrieve is None:
        return OwnChoice(simulator)
    if hasattr(retrieve, "action_scores"):
        if hasattr(retrieve, "check_catalogue"):
            retrieve.check_catalogue(simulator.catalogue)
        return partial(_by_scores, retrieve)
    if callable(retrieve):
        return retrieve
    raise SettingError(
        "retrieve must be None (the simulator's own choice), something with action_scores, such as "
        f"a fitted recommender, or a function of (users, k); got {type(retrieve).__name__}"
    )


def check_retrieved(found: Retrieved, num_rows: int, k: int, n_items: int) -> Retrieved:
    """Candidates and their scores, as they must be.

    Returns:
        int64 (N, k) and float32 (N, k); 0 for all scores where none are told.

    Raises:
        SettingError: they are not.
    """
    items, scores = found if isinstance(found, tuple) else (found, np.zeros((num_rows, k)))
    items, scores = np.asarray(items), np.asarray(scores, dtype=np.float32)
    sound = items.shape == scores.shape == (num_rows, k) and items.dtype.kind in "iu"
    if not sound or items.min() < -1 or items.max() >= n_items or np.isnan(scores).any():
        raise SettingError(
            f"retrieve must name {k} items for each of {num_rows} users, integers ({num_rows}, {k})"
            f" in [0, {n_items}) or -1 for none, with scores that are numbers; got {items.dtype} "
            f"{items.shape} and scores {scores.shape}"
        )
    return items.astype(np.int64), scores


def _by_scores(policy: Any, users: UsersNow, k: int) -> Retrieved:
    observation = {"state": users.states, "history": users.recent}
    scores = np.array(policy.action_scores(observation), dtype=np.float32)
    pairs = users.seen.pairs()
    if scores.shape[1] <= int(pairs[1].max(initial=0)):
        raise SettingError(
            f"{type(policy).__name__} scores {scores.shape[1]} items, fewer than the catalogue "
            "has: retrieve= needs a recommender of the same items"
        )
    scores[pairs] = -np.inf
    return top_k(scores, k)
