"""The settings of a demo run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from llmrec_env.common.budget import ScaledLengths
from llmrec_env.data.source import WORLD_SIZE


@dataclass(frozen=True)
class DemoSettings(ScaledLengths):
    """What a demo does and how long it may take; every number of steps scales with ``budget``."""

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
    """Held-out users, one episode each, in which a policy is judged, at most."""

    @property
    def command(self) -> str:
        """The command line that makes this run."""
        options = {
            "data": self.data,
            "simulator": self.simulator,
            "base-model": self.base_model,
            "seed": self.seed or None,
            "budget": None if self.budget == 1 else self.budget,
        }
        given = [f" --{name} {value}" for name, value in options.items() if value is not None]
        return "llmrec demo" + "".join(given)

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which :meth:`from_json` makes the same settings."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> DemoSettings:
        """Settings from what :meth:`to_json` gave."""
        tuples = {name: tuple(values[name]) for name in ("backbones", "world_size")}
        return replace(cls(), **{**values, **tuples})
