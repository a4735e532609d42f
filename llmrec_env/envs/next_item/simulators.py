"""Resolves an environment's ``simulator=`` argument to a simulator."""

from __future__ import annotations

import os

import numpy as np

from llmrec_env.common.errors import DataError, SettingError, SimulatorError
from llmrec_env.common.wording import shown
from llmrec_env.data.catalogue import check_same_catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.named import find_simulator, world_of


def resolve_simulator(
    simulator: UserSimulator | str | os.PathLike[str] | None = None,
    users: InteractionLog | None = None,
    accept_rate: float | None = None,
    device: str | None = None,
    dtype: str | None = None,
    remember_skips: bool | None = None,
) -> UserSimulator:
    """The simulator that an environment asks.

    Args:
        simulator: a simulator; the folder of a saved language user; ``"embedded"`` (or None) for
            the language user that ships with the package; ``"true-taste"`` for the true users of
            the generated world, ``"true-taste:NAME"`` for those of another one
            (:data:`~llmrec_env.data.world.presets.WORLDS`).
        users: the users whose initial histories start the episodes, instead of the simulator's own.
        accept_rate: mean probability that a uniformly shown item is taken, in (0, 1).
        device: where a language model that is loaded here is to run; "cpu" where None.
        dtype: "float32", "bfloat16" or "auto" (where None): bfloat16 on a GPU that computes in it.
        remember_skips: whether users remember what they skip; None leaves it as it is.

    Raises:
        SimulatorError: nothing of these, a simulator without users where none are given, or one
            that cannot remember skips.
        DataError: the users saw items of another catalogue.
        SettingError: ``accept_rate`` lies outside (0, 1), ``remember_skips`` is no bool, the device
            or the dtype is not there, or no language model is loaded that they could be for; there
            is no world of that name.
    """
    found = find_simulator(
        simulator, {k: v for k, v in (("device", device), ("dtype", dtype)) if v is not None}
    )
    if users is not None:
        _check_users(users, found)
        found = found.with_users(users)
    if found.users is None:
        raise SimulatorError(
            f"{type(found).__name__} brings no users to start episodes from; "
            "pass users=InteractionLog"
        )
    if remember_skips is not None:
        if not isinstance(remember_skips, (bool, np.bool_)):
            raise SettingError(
                f"remember_skips must be True, False or None, got {shown(remember_skips)}"
            )
        found = found.with_remember_skips(bool(remember_skips))
    if accept_rate is None:
        return found
    number = isinstance(accept_rate, (int, float, np.number)) and not isinstance(accept_rate, bool)
    if not number or not 0.0 < accept_rate < 1.0:
        raise SettingError(f"accept_rate must lie between 0 and 1, got {shown(accept_rate)}")
    return found.with_accept_rate(accept_rate)


def is_name(simulator: str | None) -> bool:
    """Whether simulated users are asked for by a name of the package, and have no folder."""
    return simulator in (None, "embedded") or world_of(simulator) is not None


def _check_users(users: InteractionLog, simulator: UserSimulator) -> None:
    if not isinstance(users, InteractionLog):
        raise DataError(f"users must be an InteractionLog, got {type(users).__name__}")
    check_same_catalogue(simulator.catalogue, users.catalogue, "users")
