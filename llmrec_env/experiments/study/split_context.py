"""``SplitContext``: one split of a study, with its settings, its log and its folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llmrec_env.common.run_folder import RunFolder
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.repeats import masks_seen
from llmrec_env.data.source import Source
from llmrec_env.experiments.opened import opened_source
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
        settings = self.settings
        return opened_source(settings.data, self.split, settings.world_size, settings.reading)

    @property
    def mask_seen(self) -> bool:
        """Whether seen items are left out where rankings choose and compare."""
        return masks_seen(self.source.log, self.settings.mask_seen)

    @property
    def passes(self) -> dict[str, int]:
        """How a recommender learns and is validated: fields of ``RecommenderConfig``."""
        return {**self.settings.passes, "mask_seen": self.mask_seen}

    @property
    def train(self) -> InteractionLog:
        """The training users."""
        return self.source.split.train

    @property
    def validation(self) -> InteractionLog:
        """The validation users."""
        return self.source.split.validation

    @property
    def test(self) -> InteractionLog:
        """The test users."""
        return self.source.split.test

    @property
    def study(self) -> RunFolder:
        """The study's folder: what all splits share."""
        return RunFolder(self.out)

    @property
    def folder(self) -> RunFolder:
        """Where this split's things are."""
        return self.study.part(f"split{self.split}")

    @property
    def texts(self) -> Path:
        """Where what was read of the item texts is kept, for all splits."""
        return self.out / "texts"


def as_name(text: str) -> str:
    """A method's or simulator's name as a file's."""
    return text.replace(" ", "_").replace("/", "-")
