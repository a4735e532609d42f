"""Lets a shopping agent shop for goals and says what it earned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agents.shop.results import ShopResults
from agents.shop.shop_pool import ShopAgent, ShopObservation, ShopPool, as_read_by
from llmrec_env.common.errors import SettingError
from llmrec_env.common.progress import progress_bar
from llmrec_env.envs.shop.views.observations import PROMPT
from llmrec_env.envs.shop.views.prompt import PROMPT_TOKENS

SHOPPERS = 64
"""Episodes at once."""


def choose_goals(n_goals: int, n: int | None, seed: int = 0) -> list[int]:
    """Indices of ``n`` different goals drawn with a seed, or of all where there are no more."""
    if n is None or n >= n_goals:
        return list(range(n_goals))
    return sorted(np.random.default_rng(seed).choice(n_goals, n, replace=False).tolist())


def evaluate_shopper(
    agent: ShopAgent,
    settings: Mapping[str, Any],
    goals: Sequence[int] | None = None,
    *,
    sample_seed: int | None = None,
) -> ShopResults:
    """Let an agent shop once for each goal.

    Args:
        agent: who shops.
        settings: arguments of ``gym.make("LLMRec/Shop-v0", ...)``, such as ``split="test"``,
            without ``observation`` and ``action_mode``; or what
            :meth:`~llmrec_env.envs.shop.protocol.protocol.ShopProtocol.settings` gives, and the
            results say by which protocol they are.
        goals: indices of goals of the split; None for all.
        sample_seed: draws the actions of an agent with probabilities; None takes the likeliest.

    Raises:
        SettingError: a setting has no such value, or is another than the protocol's.
    """
    size = SHOPPERS if goals is None else min(SHOPPERS, max(1, len(goals)))
    settings = as_read_by(agent, settings)
    pool = ShopPool(settings, agent.observation, agent.action_mode, size)
    origin = _origin(pool, agent, settings, sample_seed)
    waiting = list(range(len(pool.shop.goals))) if goals is None else list(goals)
    n = len(waiting)
    rewards, lengths = np.zeros(n), np.zeros(n, dtype=np.int64)
    options = np.full(n, np.nan)
    successes = np.zeros(n, dtype=np.bool_)
    rng = None if sample_seed is None else np.random.default_rng(sample_seed)
    coming = iter(enumerate(waiting))
    observations: dict[int, ShopObservation] = {}
    episodes: dict[int, int] = {}

    def admit(row: int) -> None:
        observations.pop(row, None)
        for episode, goal in coming:
            observations[row], episodes[row] = pool.begin(row, goal), episode
            return

    with progress_bar("shop", n) as advance:
        for row in range(size):
            admit(row)
        while observations:
            rows = list(observations)
            actions = agent.act([observations[row] for row in rows], rng)
            for row, action in zip(rows, actions, strict=True):
                outcome, episode = pool.step(row, action), episodes[row]
                rewards[episode] += outcome.reward
                lengths[episode] += 1
                observations[row] = outcome.observation
                if outcome.ended:
                    successes[episode] = outcome.success
                    chosen = pool.chose_options(row)
                    options[episode] = np.nan if chosen is None else chosen
                    admit(row)
                    advance(1, "")
    products = np.array([pool.shop.goals[goal].asin for goal in waiting])
    indices = np.array(waiting, dtype=np.int64)
    return ShopResults(indices, products, rewards, successes, lengths, options, origin)


def _origin(
    pool: ShopPool, agent: ShopAgent, settings: Mapping[str, Any], sample_seed: int | None
) -> dict[str, Any]:
    """What the results are of.

    Raises:
        SettingError: the environment is not as its protocol says.
    """
    origin: dict[str, Any] = {
        "split": settings.get("split", "train"),
        "observation": agent.observation,
        "action_mode": agent.action_mode,
        "sample_seed": sample_seed,
    }
    if agent.observation == PROMPT:
        origin["prompt_tokens"] = settings.get("prompt_tokens", PROMPT_TOKENS)
    protocol = pool.shop.protocol
    if protocol is None:
        return origin
    if pool.step_limit != protocol.max_episode_steps:
        raise SettingError(
            f"protocol {protocol.name!r} has {protocol.max_episode_steps} steps an episode, and "
            f"max_episode_steps={pool.step_limit}: take the settings that it gives"
        )
    if settings.get("invalid_penalty"):
        raise SettingError(f"protocol {protocol.name!r} has no invalid_penalty: leave it out")
    return {**origin, "protocol": protocol.name, "hash": protocol.hash}
