"""Opens the simulated user named on the command line and checks it against the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmrec_env.data.source import Source
    from llmrec_env.users.base import UserSimulator


def open_simulator(
    name: str | None, source: Source, device: str | None, dtype: str | None
) -> UserSimulator:
    """The simulated user in a folder, who must know the items of the log and no test user.

    Args:
        name: folder of a saved LE; None opens the one that comes with the package.
        source: the log that the command works on.
        device: device of the language model.
        dtype: number format of the language model.

    Raises:
        SimulatorError: it knows other items, or learned from users that it would be judged on.
    """
    from llmrec_env.envs.next_item.simulators import resolve_simulator
    from llmrec_env.users.language import LanguageUser

    user = resolve_simulator(name, device=device, dtype=dtype)
    source.check_catalogue(user.catalogue, called(name))
    if isinstance(user, LanguageUser):
        source.check_learned(user.model.record, called(name))
    return user


def called(name: str | None) -> str:
    """What to call a simulated user in an error."""
    return "the embedded simulated user" if name is None else f"the simulated user in {name}"
