"""Resolves an environment's ``simulator=`` argument to a simulator."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from llmrec_env.common.errors import DataError, SettingError, SimulatorError
from llmrec_env.common.files import local_path
from llmrec_env.common.wording import shown
from llmrec_env.data.catalogue import check_same_catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.users.base import UserSimulator

NAMES = ("embedded", "true-taste", "true-taste:WORLD")
TRUE_TASTE = "true-taste"


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
    found = _find(
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
    """Whether simulated users are asked for by their name (:data:`NAMES`), and have no folder."""
    return simulator in (None, "embedded") or _world_of(simulator) is not None


def _find(
    simulator: UserSimulator | str | os.PathLike[str] | None, placement: dict[str, Any]
) -> UserSimulator:
    world = _world_of(simulator)
    if placement and (isinstance(simulator, UserSimulator) or world is not None):
        raise SettingError(
            f"{' and '.join(placement)} are for a language model that is loaded here, from a "
            "folder; give them to LanguageUser.from_pretrained where you load it yourself"
        )
    if isinstance(simulator, UserSimulator):
        return simulator
    if simulator is None or simulator == "embedded":
        from llmrec_env.users.language import embedded_user

        return embedded_user(**placement)
    if world is not None:
        return _true_taste(world)
    if isinstance(simulator, str) and simulator.startswith(("http://", "https://")):
        raise SettingError(
            f"simulator: {simulator} is an address; users for whom a model behind a server answers "
            f"need a log too: PromptedUser(ModelServer(model, {simulator!r}), log), in Python"
        )
    if isinstance(simulator, (str, os.PathLike)) and os.fspath(simulator):
        return _from_folder(local_path(simulator, "simulator"), placement)
    raise SimulatorError(
        "simulator must be a UserSimulator, the folder of a saved one, or one of "
        f"{', '.join(map(repr, NAMES))}; got {shown(simulator)}"
    )


def _check_users(users: InteractionLog, simulator: UserSimulator) -> None:
    if not isinstance(users, InteractionLog):
        raise DataError(f"users must be an InteractionLog, got {type(users).__name__}")
    check_same_catalogue(simulator.catalogue, users.catalogue, "users")


def _world_of(simulator: Any) -> str | None:
    """The name of the world whose true users are asked for; None where others are."""
    if not isinstance(simulator, str) or simulator.split(":", 1)[0] != TRUE_TASTE:
        return None
    return simulator.partition(":")[2] or "popularity"


@cache
def _true_taste(world: str) -> UserSimulator:
    """One instance for all environments: a simulator is immutable."""
    from llmrec_env.data.world.generated import named_world
    from llmrec_env.users.true_taste import TrueTasteUser

    return TrueTasteUser(named_world(world))


def _from_folder(folder: Path, placement: dict[str, Any]) -> UserSimulator:
    if not folder.is_dir():
        raise SimulatorError(
            f"no folder {str(folder)!r}: simulator must be the folder of a saved one, "
            f"one of {', '.join(map(repr, NAMES))}, or, in Python, a UserSimulator"
        )
    from llmrec_env.users.language import LanguageUser

    return LanguageUser.from_pretrained(folder, **placement)
