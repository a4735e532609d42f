"""``shop_app`` and ``recommend_app``: FastAPI applications of many sessions, for any ASGI server.

    uvicorn --factory llmrec_env.envs.language_agents.openenv:shop_app

``llmrec shop openenv`` and ``llmrec openenv`` serve them with settings.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import Any

from llmrec_env.common.checks import check_whole
from llmrec_env.common.extras import require
from llmrec_env.envs.language_agents.openenv.environments import (
    RecommendEnvironment,
    ShopEnvironment,
    TextEnvironment,
)
from llmrec_env.envs.language_agents.openenv.models import TextAction

MAX_SESSIONS = 64


def shop_app(max_sessions: int = MAX_SESSIONS, seed: int = 0, **settings: Any) -> Any:
    """An application in which each session is a shopper.

    Args:
        max_sessions: at once, at most; one more is refused.
        seed: draws the goals of the first session that names none, ``seed + i`` those of the
            i-th.
        settings: of :class:`~llmrec_env.envs.language_agents.text_loops.TextLoop`.

    Returns:
        The ``FastAPI``; catalogue, goals and index are made already.

    Raises:
        SettingError: an argument has no such value.
    """
    return _app(ShopEnvironment, max_sessions, seed, settings)


def recommend_app(max_sessions: int = MAX_SESSIONS, seed: int = 0, **settings: Any) -> Any:
    """An application in which each session is a user to recommend to.

    Args:
        max_sessions, seed: as in :func:`shop_app`.
        settings: of :class:`~llmrec_env.envs.language_agents.recommend_loop.RecommendLoop`.

    Returns:
        The ``FastAPI``; the LE is loaded already.

    Raises:
        SettingError: an argument has no such value.
    """
    return _app(RecommendEnvironment, max_sessions, seed, settings)


def _app(
    environment: type[TextEnvironment], max_sessions: int, seed: int, settings: dict[str, Any]
) -> Any:
    check_whole("max_sessions", max_sessions, 1)
    seeds = count(check_whole("seed", seed, 0))
    first = environment(seed=seed, **settings)
    first.reset()  # makes what all share, and tells what is wrong with the settings
    return require("openenv.core.env_server", "openenv").create_app(
        partial(environment, seeds, **settings),
        TextAction,
        environment.observation_class,
        env_name=environment.name,
        max_concurrent_envs=max_sessions,
        state_cls=environment.state_class,
    )
