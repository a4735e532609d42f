"""Per-process caches of the opened log (with its split) and the opened LE."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from llmrec_env.data.read_options import ReadOptions
from llmrec_env.data.source import Source, open_source
from llmrec_env.language.saving import SavedModel
from llmrec_env.users.language import LanguageUser


@lru_cache(maxsize=1)
def opened_source(
    data: str | None, seed: int, world_size: tuple[int, int], read: ReadOptions
) -> Source:
    """:func:`llmrec_env.data.source.open_source`, once as long as nothing else is asked for.

    A log whose order is unknown is refused: every experiment ranks next items.
    """
    return open_source(data, seed, world_size, read, True)


@lru_cache(maxsize=1)
def opened_simulator(folder: Path, source: Source) -> LanguageUser:
    """The LE that is saved in a folder, as the test users of a log."""
    return LanguageUser(LanguageUser.from_pretrained(folder).model, users=source.split.test)


def close_opened() -> None:
    """Forget what is open: the files may have changed."""
    opened_source.cache_clear()
    opened_simulator.cache_clear()


def check_simulator(folder: Path, source: Source) -> None:
    """Refuse a folder that holds no LE of this log and split, before anything is learned.

    Raises:
        LLMRecError: the folder holds no saved LE.
        SimulatorError: it knows other items than the log, or learned from other users.
    """
    saved, who = SavedModel.open(folder), f"the simulated user in {folder}"
    source.check_catalogue(saved.catalogue, who)
    source.check_learned(saved.description["record"], who)
