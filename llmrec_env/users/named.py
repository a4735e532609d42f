"""Finds simulated users by name: those that ship with the package, and those saved in a folder."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from llmrec_env.common.errors import SettingError, SimulatorError
from llmrec_env.common.files import local_path
from llmrec_env.common.wording import shown
from llmrec_env.users.base import UserSimulator

NAMES = ("embedded", "true-taste", "true-taste:WORLD")
TRUE_TASTE = "true-taste"


def find_simulator(
    simulator: UserSimulator | str | os.PathLike[str] | None,
    placement: dict[str, Any] | None = None,
) -> UserSimulator:
    """The simulator of a name; one that is none but a simulator already stays what it is.

    Args:
        simulator: a simulator, the folder of a saved one, or one of :data:`NAMES`; None is
            "embedded".
        placement: ``device`` and ``dtype`` of a language model that is loaded here.

    Raises:
        SimulatorError: nothing of these.
        SettingError: there is no language model for the placement, or no world of that name.
    """
    placement = placement or {}
    world = world_of(simulator)
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


def world_of(simulator: Any) -> str | None:
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
