"""Where things of a study lie, and the logs that a process has open."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from llmrec_env.data.source import Source, open_source
from llmrec_env.experiments.study.settings import StudySettings


@dataclass(frozen=True)
class SplitContext:
    """One split of a study.

    Attributes:
        settings: of the study.
        out: the study's folder.
        split: seed of the split by user.
    """

    settings: StudySettings
    out: Path
    split: int

    @property
    def source(self) -> Source:
        """The log and its parts; opened once a process as long as it works on one split."""
        return _source(self.settings.data, self.split, self.settings.world_size)

    @property
    def texts(self) -> Path:
        """Where what was read of the item texts is kept, for all splits."""
        return self.out / "texts"

    @property
    def folder(self) -> Path:
        """Where this split's things lie."""
        return self.out / f"split{self.split}"


@lru_cache(maxsize=1)
def _source(data: str | None, split: int, world_size: tuple[int, int]) -> Source:
    return open_source(data, split, world_size)


def close_sources() -> None:
    """Forget what is open: the files may have changed."""
    _source.cache_clear()


def as_name(text: str) -> str:
    """A method's or simulator's name as a file's."""
    return text.replace(" ", "_").replace("/", "-")
