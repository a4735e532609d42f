"""The settings of an offline benchmark, and the list of its runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from llmrec_env.common.errors import SettingError
from llmrec_env.common.wording import own_names
from llmrec_env.data.source import WORLD_SIZE
from llmrec_env.experiments.offline_benchmark.baselines import BASELINES
from llmrec_env.experiments.offline_benchmark.datasets import DATASETS
from llmrec_env.experiments.simulator_settings import SimulatorSettings
from llmrec_env.offline.d3rlpy.algorithms import ALGORITHMS, COMPARED


class Run(NamedTuple):
    """One row of the benchmark: who recommends, what it learned from (None: nothing), the seed."""

    algorithm: str
    dataset: str | None
    seed: int

    @property
    def name(self) -> str:
        """The name of its folder."""
        return "-".join(str(part) for part in self if part is not None)

    @property
    def label(self) -> str:
        """How tables call it, whatever the seed."""
        if self.dataset is None:
            return BASELINES[self.algorithm].label
        return f"{ALGORITHMS[self.algorithm].label}, {DATASETS[self.dataset].label}"


@dataclass(frozen=True)
class OfflineSettings(SimulatorSettings):
    """What a benchmark does.

    Raises:
        SettingError: a name is unknown, a number too small, or the simulator is missing.
    """

    KIND = "bench offline"

    data: str | None = None
    """Folder or file of a public dataset; None is the embedded generated world."""
    simulator: str | None = None
    """Folder of a saved LE that learned from the training users of this split; None is the
    embedded one."""
    algorithms: tuple[str, ...] = COMPARED
    """Names in :data:`ALGORITHMS`, of items or of points."""
    datasets: tuple[str, ...] = tuple(DATASETS)
    seeds: int = 3
    """Runs of each algorithm on each dataset, with training seeds of their own."""
    steps: int = 1000
    """Gradient steps of a run."""
    episodes: int = 200
    """Test users, one episode each, in which a policy is evaluated, at most."""
    seed: int = 0
    """Seed of the split by user, and the first of the training seeds."""
    world_size: tuple[int, int] = WORLD_SIZE
    """Items and users of the generated world."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, known in (("algorithms", ALGORITHMS), ("datasets", DATASETS)):
            labels = {name: one.label for name, one in known.items()}
            object.__setattr__(self, field, own_names(getattr(self, field), labels))
        _check_names("algorithms", self.algorithms, ALGORITHMS)
        _check_names("datasets", self.datasets, DATASETS)
        for name in ("seeds", "steps", "episodes"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def runs(self) -> list[Run]:
        """All runs: the baselines, then every algorithm on every dataset."""
        baselines = [
            Run(name, None, seed)
            for name, baseline in BASELINES.items()
            for seed in (self.training_seeds if baseline.is_drawn else [self.seed])
        ]
        return baselines + [
            Run(algorithm, dataset, seed)
            for algorithm in self.algorithms
            for dataset in self.datasets
            for seed in self.training_seeds
        ]

    @property
    def training_seeds(self) -> list[int]:
        """One for each repeat."""
        return list(range(self.seed, self.seed + self.seeds))


def _check_names(what: str, names: tuple[str, ...], known: Iterable[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown or not names or len(set(names)) < len(names):
        raise SettingError(
            f"{what} must be some of {', '.join(known)}, each named once; got "
            f"{','.join(names) or 'none'}"
        )
