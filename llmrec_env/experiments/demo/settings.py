"""The settings of a demo run, and the data it runs on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from llmrec_env.common.budget import ScaledLengths
from llmrec_env.common.errors import SimulatorError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.loading import load
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.splits import Split, split_by_user
from llmrec_env.data.world.generated import World, generate_world

WORLD_SIZE = (800, 2000)


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


@dataclass(frozen=True, eq=False)
class Source:
    """The log of a run, split by user, and the world that it comes from where there is one."""

    name: str
    log: InteractionLog
    split: Split
    world: World | None = None

    def check_catalogue(self, catalogue: Catalogue, who: str) -> None:
        """Refuse a simulated user that knows other items than the log.

        Args:
            catalogue: the items that it knows.
            who: what to call it in the error.

        Raises:
            SimulatorError: they are others.
        """
        if catalogue.ids != self.log.catalogue.ids:
            raise SimulatorError(
                f"{who} knows other items ({len(catalogue)}) than the log of {self.name} "
                f"({self.log.n_items}): give --data and --simulator that belong together; "
                "`llmrec fit` learns a simulated user from a log"
            )

    def check_learned(self, record: Mapping[str, Any], who: str) -> None:
        """Refuse a simulated user that may have learned from those it is to be judged on.

        Args:
            record: what learning wrote down (``LanguageEnvironment.record``).
            who: what to call it in the error.

        Raises:
            SimulatorError: it learned from others than the training users of this split; an LE that
                does not say from whom is let through.
        """
        learned = record.get("learning", {}).get("training_users")
        if learned not in (None, self.split.train.users_fingerprint):
            raise SimulatorError(
                f"{who} learned from other users than those that this split trains on, and so "
                "perhaps from those that it would be judged on: give the --data and --seed that "
                "`llmrec fit` was given"
            )


def open_source(
    data: str | os.PathLike[str] | None, seed: int, world_size: tuple[int, int] = WORLD_SIZE
) -> Source:
    """Read a dataset, or generate the embedded world, and split it by user 80/10/10."""
    if data is None:
        world = generate_world(0, *world_size)
        return Source("the generated world", world.log, split_by_user(world.log, seed), world)
    log = load(data)
    return Source(os.fspath(data), log, split_by_user(log, seed))
