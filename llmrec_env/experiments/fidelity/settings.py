"""The settings of a table of fidelity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmrec_env.common.budget import ScaledLengths
from llmrec_env.common.errors import SettingError
from llmrec_env.common.wording import own_names
from llmrec_env.data.read_options import ReadOptions
from llmrec_env.experiments.fidelity.protocols import FEWEST, HELD_OUT
from llmrec_env.experiments.fidelity.rows import BASELINES, ROWS
from llmrec_env.experiments.fidelity.rows.entry import Means
from llmrec_env.experiments.settings import RunSettings
from llmrec_env.users.prompting.server import ModelServer

NEEDED = {
    "base_model": "a hub name, a folder or a GGUF file",
    "item_encoder": "a hub name or a folder",
    "base_url": "the address of an OpenAI-compatible server, such as http://localhost:8000/v1",
    "prompt_model": "the name by which the server at --base-url knows the model",
}
"""What stands after an option without which a row cannot be."""
LEAST = {"splits": 1, "held_out": 1, "users": 1, "candidates": FEWEST}
"""The smallest values; of fewer items an order says too little."""


@dataclass(frozen=True)
class FidelitySettings(ReadOptions, ScaledLengths, RunSettings):
    """What a table shows.

    Raises:
        SettingError: there is no such row, no data is named, or a number is too small.
    """

    KIND = "bench fidelity"
    GROWING = ("rows", "splits", "base_model", "item_encoder", "base_url", "prompt_model")

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
    base_url: str | None = None
    """Address of the OpenAI-compatible server of the rows "prompted" and "prompted-few"."""
    prompt_model: str | None = None
    """The name by which that server knows its model."""
    users: int | None = None
    """Held-out users of a split whom each question asks, at most; None: all."""
    candidates: int | None = None
    """Items of each user that are judged, at most; None: all."""

    def __post_init__(self) -> None:
        ReadOptions.__post_init__(self)
        ScaledLengths.__post_init__(self)
        if self.data is None:
            raise SettingError("name the data with --data: people's own logs are judged here")
        labels = {name: entry.label for name, entry in ROWS.items()}
        object.__setattr__(self, "rows", own_names(self.rows, labels))
        unknown = [name for name in self.rows if name not in ROWS]
        if unknown or not self.rows or len(set(self.rows)) < len(self.rows):
            raise SettingError(
                f"rows must be some of {', '.join(ROWS)}, each named once; got "
                f"{','.join(self.rows) or 'none'}"
            )
        self._check_needs()
        if self.protocol not in ("auto", "complete", "rated", "taken"):
            raise SettingError(
                f"protocol must be auto, complete, rated or taken, got {self.protocol!r}"
            )
        if not 0 < self.share <= 1:
            raise SettingError(f"share must lie in (0, 1], got {self.share}")
        for name, least in LEAST.items():
            if (value := getattr(self, name)) is not None and value < least:
                raise SettingError(f"{name} must be at least {least}, got {value}")

    def _check_needs(self) -> None:
        for name in self.rows:
            for needed in ROWS[name].needs:
                if getattr(self, needed) is None:
                    option = needed.replace("_", "-")
                    raise SettingError(f"the row {name} needs --{option}: {NEEDED[needed]}")
        if self.base_url is not None and self.prompt_model is not None:
            ModelServer(self.prompt_model, self.base_url)  # says what is wrong with them

    @property
    def means(self) -> Means:
        """What rows are given beside what they learn from."""
        return Means(
            self.budget, self.base_model, self.item_encoder, self.base_url, self.prompt_model
        )
