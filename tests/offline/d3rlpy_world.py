"""A small world whose users d3rlpy's algorithms learn from and act among, and its algorithms."""

from __future__ import annotations

import inspect
from typing import Any

import d3rlpy
import gymnasium as gym

from llmrec_env.data.world.generated import generate_world
from llmrec_env.offline.transitions import transitions
from llmrec_env.users.true_taste import TrueTasteUser

USER = TrueTasteUser(generate_world(seed=2, n_items=40, n_users=12))
TABLE = transitions(USER.users, USER, augment=1)
STEPS = 5
NARROW = d3rlpy.models.VectorEncoderFactory([16])


def make(name: str = "LLMRec/NextItem-v1", **options: Any) -> Any:
    """An environment of these users."""
    options = {"observation": "bare_state", "max_episode_steps": STEPS} | options
    return gym.make(name, simulator=USER, **options)


def configs(kind: str, transformer: bool = False) -> list[Any]:
    """The configurations of all algorithms of d3rlpy that learn such actions.

    Args:
        kind: "DISCRETE" or "CONTINUOUS".
        transformer: those that read a trajectory, or those that read an observation.
    """
    return [
        value
        for name, value in sorted(vars(d3rlpy.algos).items())
        if inspect.isclass(value)
        and issubclass(value, d3rlpy.base.LearnableConfig)
        and value is not d3rlpy.algos.TransformerConfig
        and "RandomPolicy" not in name
        and value().create().get_action_type().name == kind
        and issubclass(value, d3rlpy.algos.TransformerConfig) == transformer
    ]


def small(config: Any, **options: Any) -> Any:
    """An algorithm of such a configuration, with small networks and batches."""
    narrow = {name: NARROW for name in vars(config()) if name.endswith("encoder_factory")}
    return config(**({"batch_size": 8} | narrow | options)).create()
