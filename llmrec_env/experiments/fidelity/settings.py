"""The settings of a table of fidelity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmrec_env.common.budget import ScaledLengths
from llmrec_env.common.errors import SettingError
from llmrec_env.data.read_options import ReadOptions
from llmrec_env.experiments.fidelity.protocols import HELD_OUT
from llmrec_env.experiments.fidelity.rows import BASELINES, ROWS
from llmrec_env.experiments.fidelity.rows.entry import Means
from llmrec_env.experiments.settings import RunSettings


@dataclass(frozen=True)
class FidelitySettings(ReadOptions, ScaledLengths, RunSettings):
    """What a table shows.

    Raises:
        SettingError: there is no such row, no data is named, or a number is too small.
    """

    KIND = "bench fidelity"
    GROWING = ("rows", "splits", "base_model", "item_encoder")

    data: str | None = None
    """Folder or file of a public dataset."""
    rows: tuple[str, ...] = BASELINES
    """Names in :data:`llmrec_env.experiments.fidelity.rows.ROWS`."""
    splits: int = 3
    """Splits by user, each with a seed of its own."""
    protocol: Literal["auto", "complete", "rated", "taken"] = "auto"
    """What is asked; "auto": what the log allows."""
    held_out: int = HELD_OUT
    """Users who rated everything that are held out of a split, in the protocol "complete"."""
    share: float = 1.0
    """Share of the training users that every row learns from."""
    budget: float = 1.0
    """Factor on the training lengths of the rows that learn by steps."""
    base_model: str | None = None
    """Hub name or folder of the language model of the row "le-base"."""
    item_encoder: str | None = None
    """Hub name or folder of the sentence encoder of the row "le-encoder"."""

    def __post_init__(self) -> None:
        ReadOptions.__post_init__(self)
        ScaledLengths.__post_init__(self)
        if self.data is None:
            raise SettingError("name the data with --data: people's own logs are judged here")
        unknown = [name for name in self.rows if name not in ROWS]
        if unknown or not self.rows or len(set(self.rows)) < len(self.rows):
            raise SettingError(
                f"rows must be some of {', '.join(ROWS)}, each named once; got "
                f"{','.join(self.rows) or 'none'}"
            )
        for name in self.rows:
            if (needed := ROWS[name].needs) and getattr(self, needed) is None:
                option = needed.replace("_", "-")
                raise SettingError(f"the row {name} needs --{option}: name a hub name or a folder")
        if self.protocol not in ("auto", "complete", "rated", "taken"):
            raise SettingError(
                f"protocol must be auto, complete, rated or taken, got {self.protocol!r}"
            )
        if not 0 < self.share <= 1:
            raise SettingError(f"share must lie in (0, 1], got {self.share}")
        for name in ("splits", "held_out"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def means(self) -> Means:
        """What rows are given beside what they learn from."""
        return Means(self.budget, self.base_model, self.item_encoder)
