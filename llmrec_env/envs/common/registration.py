"""Registers the environments' ids with Gymnasium, which importing ``llmrec_env`` does.

An id is known only to a process that imported ``llmrec_env``. A worker process that starts afresh
(``AsyncVectorEnv`` and ``SubprocVecEnv`` with the start method "spawn" or "forkserver", Ray) has
not, so there the id says what to import, before a colon:
``gym.make("llmrec_env:LLMRec/NextItem-v0")``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym

from llmrec_env.envs.common.time_limit import ADDITIONAL_WRAPPERS

MAX_EPISODE_STEPS = 50
V0 = {"seen": "pay_nothing", "shown_length": 0}
"""Arguments of the first version, whose observation does not tell what was shown."""
IDS: dict[str, dict[str, Any]] = {
    "LLMRec/NextItem-v0": {"simulator": "embedded", **V0},
    "LLMRec/NextItem-v1": {"simulator": "embedded"},
    "LLMRec/TrueTaste-v0": {"simulator": "true-taste", **V0},
    "LLMRec/TrueTaste-v1": {"simulator": "true-taste"},
    "LLMRec/ItemEmbedding-v0": {"simulator": "embedded", "actions": "embedding"},
}
"""Each id of the next-item environment with the arguments that it opens with."""
SLATE_IDS: dict[str, dict[str, Any]] = {"LLMRec/Slate-v0": {"simulator": "embedded"}}
"""The same of the environment with lists."""

SHOP_ID = "LLMRec/Shop-v0"
MAX_SHOP_STEPS = 15


def register(
    id: str,
    entry_point: str | Callable[..., gym.Env[Any, Any]],
    vector_entry_point: str | Callable[..., gym.vector.VectorEnv[Any, Any, Any]],
    max_episode_steps: int | None = None,
    kwargs: dict[str, Any] | None = None,
) -> None:
    """``gym.register`` for an environment that cuts its episodes itself.

    Args:
        id: such as ``"LLMRec/NextItem-v0"``; an id that is known already stays as it is.
        entry_point: the class of the single environment, or ``"module:class"``.
        vector_entry_point: that of the vector environment.
        max_episode_steps: the limit where ``gym.make`` and ``gym.make_vec`` are given none.
        kwargs: arguments of both environments.
    """
    if id not in gym.registry:
        gym.register(
            id=id,
            entry_point=entry_point,
            vector_entry_point=vector_entry_point,
            max_episode_steps=max_episode_steps,
            additional_wrappers=ADDITIONAL_WRAPPERS,
            kwargs=kwargs,
        )


def register_environments() -> None:
    """Make the ids known to ``gym.make`` and ``gym.make_vec``; a second call changes nothing."""
    for name, kwargs in IDS.items():
        register(
            name,
            "llmrec_env.envs.next_item.env:NextItemEnv",
            "llmrec_env.envs.next_item.vector_env:NextItemVectorEnv",
            MAX_EPISODE_STEPS,
            dict(kwargs),
        )
    for name, kwargs in SLATE_IDS.items():
        register(
            name,
            "llmrec_env.envs.slate.env:SlateEnv",
            "llmrec_env.envs.slate.vector_env:SlateVectorEnv",
            MAX_EPISODE_STEPS,
            dict(kwargs),
        )
    register(
        SHOP_ID,
        "llmrec_env.envs.shop.env:ShopEnv",
        "llmrec_env.envs.shop.vector_env:ShopVectorEnv",
        MAX_SHOP_STEPS,
    )
