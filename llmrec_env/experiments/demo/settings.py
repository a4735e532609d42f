"""``DemoSettings``: the settings of a demo run."""

from __future__ import annotations

from dataclasses import dataclass

from llmrec_env.common.budget import ScaledLengths
from llmrec_env.data.read_options import ReadOptions
from llmrec_env.data.source import WORLD_SIZE, Source
from llmrec_env.experiments.opened import opened_source
from llmrec_env.experiments.settings import RunSettings


@dataclass(frozen=True)
class DemoSettings(ReadOptions, RunSettings, ScaledLengths):
    """What a demo does and how long it may take; every number of steps scales with ``budget``."""

    KIND = "demo"
    HIDDEN = (
        *("backbones", "epochs", "le_epochs", "ppo_steps", "ppo_envs", "d3rlpy_steps"),
        *("world_size", "episodes"),
    )

    data: str | None = None
    """Folder or file of a public dataset; None runs on the embedded generated world."""
    simulator: str | None = None
    """Folder of a saved LE; None takes the embedded one, or learns one from ``data``."""
    base_model: str | None = None
    """Causal LM to adapt, by hub name or folder; None pretrains a small one on the item texts."""
    seed: int = 0
    """Seed of the split and of everything that learns."""
    budget: float = 1.0
    """Scales all training lengths; 1 takes minutes, 0.01 only shows that everything runs."""
    allow_untexted: bool = False
    """Whether an LE is learned from items without text, which then get random tokens."""
    backbones: tuple[str, ...] = ("sasrec", "gru4rec")
    epochs: int = 12
    """Passes over the log of each recommender at most, the same for every variant."""
    le_epochs: int = 6
    """Passes over the log of the LE at most."""
    ppo_steps: int = 60_000
    """Environment steps of PPO."""
    ppo_envs: int = 64
    """Users that PPO asks at once."""
    d3rlpy_steps: int = 400
    """Gradient steps of each d3rlpy algorithm."""
    world_size: tuple[int, int] = WORLD_SIZE
    """Items and users of the generated world; the embedded LE knows it at its full size only."""
    episodes: int = 200
    """Held-out users, one episode each, in which a policy is evaluated, at most."""

    def __post_init__(self) -> None:
        ReadOptions.__post_init__(self)
        ScaledLengths.__post_init__(self)

    @property
    def source(self) -> Source:
        """The log, opened once a process."""
        return opened_source(self.data, self.seed, self.world_size, self.reading)
