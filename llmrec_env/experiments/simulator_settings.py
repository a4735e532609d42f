"""``SimulatorSettings``: of runs about one log and the LE that learned from its training users."""

from __future__ import annotations

from pathlib import Path

from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import local_path
from llmrec_env.data.read_options import ReadOptions
from llmrec_env.data.source import WORLD_SIZE, Source, log_fingerprint
from llmrec_env.experiments.opened import opened_source
from llmrec_env.experiments.settings import RunSettings
from llmrec_env.language.saving import saved_fingerprint
from llmrec_env.users.origin import EMBEDDED


class SimulatorSettings(ReadOptions, RunSettings):
    """Base of dataclasses of settings that have these four, the last three with defaults.

    Raises:
        SettingError: the embedded simulated user is none of this log, split and seed.
    """

    data: str | None
    """Folder or file of a dataset; None is the generated world."""
    simulator: str | None
    """Folder of the LE; None is the embedded one."""
    seed: int
    """Of the split."""
    world_size: tuple[int, int]
    """Items and users of the generated world."""

    def __post_init__(self) -> None:
        ReadOptions.__post_init__(self)
        embedded = self.data is None and self.seed == 0 and self.world_size == WORLD_SIZE
        if self.simulator is None and not embedded:
            raise SettingError(
                "the embedded simulated user learned from the generated world, split with seed 0; "
                "for other data or another seed learn one with `llmrec fit` (the same --data and "
                "--seed) and name its folder with --simulator"
            )

    @property
    def source(self) -> Source:
        """The log, opened once a process."""
        return opened_source(self.data, self.seed, self.world_size, self.reading)

    @property
    def contents(self) -> dict[str, str]:
        """What a run folder of these settings is about: fingerprints of the log and of the LE."""
        return {
            "log": log_fingerprint(self.source.log),
            "simulated_user": saved_fingerprint(self.simulator_folder),
        }

    @property
    def simulator_folder(self) -> Path:
        """Where the LE is."""
        return EMBEDDED if self.simulator is None else local_path(self.simulator, "simulator")
