"""The ids of the environments; importing ``llmrec_env`` registers them.

An id is known only to a process that imported ``llmrec_env``. A worker process that starts afresh
(``AsyncVectorEnv`` and ``SubprocVecEnv`` with the start method "spawn" or "forkserver", Ray) has
not, so there the id says what to import, before a colon:
``gym.make("llmrec_env:LLMRec/NextItem-v0")``.
"""

from __future__ import annotations

import inspect

from gymnasium.envs.registration import make, register, registry

MAX_EPISODE_STEPS = 50
IDS = {"LLMRec/NextItem-v0": "embedded", "LLMRec/TrueTaste-v0": "true-taste"}
"""Each id with the name of the simulator that it opens by default (``envs/simulators.py``)."""

SHOP_ID = "LLMRec/Shop-v0"
MAX_SHOP_STEPS = 15


def register_environments() -> None:
    """Make the ids known to ``gym.make`` and ``gym.make_vec``; a second call changes nothing."""
    for name, simulator in IDS.items():
        if name not in registry:
            register(
                id=name,
                entry_point="llmrec_env.envs.next_item.env:NextItemEnv",
                vector_entry_point="llmrec_env.envs.next_item.vector_env:NextItemVectorEnv",
                max_episode_steps=MAX_EPISODE_STEPS,
                kwargs={"simulator": simulator},
            )
    if SHOP_ID not in registry:
        register(
            id=SHOP_ID,
            entry_point="llmrec_env.envs.shop.env:ShopEnv",
            vector_entry_point="llmrec_env.envs.shop.vector_env:ShopVectorEnv",
            max_episode_steps=MAX_SHOP_STEPS,
        )


def limit_of_make() -> int | None:
    """The time limit of the ``gym.make`` call that is building an environment now, if any.

    ``gym.make`` tells the limit to its ``TimeLimit`` wrapper and blanks it in the spec of the
    environment below. The observation counts the steps left all the same, and the limit should
    stand in one place; so the environment reads it where it is, in the call that builds it.

    Returns:
        The limit in steps; None outside ``gym.make`` or where the call sets no limit.
    """
    frame = inspect.currentframe()
    while frame is not None and frame.f_code is not make.__code__:
        frame = frame.f_back
    if frame is None:
        return None
    limit = frame.f_locals.get("max_episode_steps")
    if limit is None:
        limit = frame.f_locals["env_spec"].max_episode_steps
    return None if limit == -1 else limit
