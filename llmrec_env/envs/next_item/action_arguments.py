"""Resolves an environment's ``actions=``, ``candidates=`` and ``retrieve=`` arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.checks import check_name
from llmrec_env.envs.next_item.actions import ActionMap, Choices, ItemActions, PointActions
from llmrec_env.envs.next_item.candidates import CandidateActions
from llmrec_env.envs.next_item.retrieval import resolve_retrieval
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.item_space import item_space_of

ACTIONS = ("item", "embedding")


def resolve_actions(
    simulator: UserSimulator,
    actions: str = "item",
    candidates: int | None = None,
    retrieve: Any = None,
) -> ActionMap:
    """What the actions of an environment stand for.

    Args:
        simulator: whose items they show.
        actions: ``"item"`` or ``"embedding"``.
        candidates: length of the list of candidates; None where every item is an action.
        retrieve: who names the candidates, see :mod:`llmrec_env.envs.next_item.retrieval`.

    Raises:
        SettingError: there is no such choice, or these do not go together.
    """
    if check_name("actions", actions, ACTIONS) == "item":
        return resolve_choices(simulator, candidates, retrieve)
    if candidates is not None:
        raise SettingError(f"candidates= are for actions='item', not {actions!r}")
    _check_no_retrieval(retrieve)
    return PointActions(item_space_of(simulator))


def resolve_choices(
    simulator: UserSimulator, candidates: int | None = None, retrieve: Any = None
) -> Choices:
    """What the numbers stand for of which actions, or lists, are made.

    Args:
        simulator: whose items they show.
        candidates: length of the list of candidates; None where every item can be chosen.
        retrieve: who names the candidates.

    Raises:
        SettingError: as :func:`resolve_actions`.
    """
    if candidates is None:
        _check_no_retrieval(retrieve)
        return ItemActions(simulator.n_items)
    assert simulator.users is not None
    counts: FloatArray = np.log1p(simulator.users.item_counts().astype(np.float32))
    return CandidateActions(
        candidates,
        resolve_retrieval(retrieve, simulator),
        item_space_of(simulator),
        counts / np.float32(max(counts.max(), 1.0)),
    )


def _check_no_retrieval(retrieve: Any) -> None:
    if retrieve is not None:
        raise SettingError("retrieve= names candidates: say how many, such as candidates=100")
