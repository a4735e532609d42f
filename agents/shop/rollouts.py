"""Rollouts: shopping episodes stored as texts of actions, from which any agent can learn."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from agents.shop.shop_pool import ShopAgent, ShopObservation, ShopPool, as_read_by
from llmrec_env.common.errors import DataError
from llmrec_env.common.files import local_path, read_json, write_json
from llmrec_env.common.progress import progress_bar
from llmrec_env.envs.shop.goals import Goal


@dataclass(frozen=True)
class Rollout:
    """One episode.

    Attributes:
        goal: index of the goal in its split; instruction: what it says.
        actions: what was done, as texts.
        reward: what was earned; success: whether it was 1.
    """

    goal: int
    instruction: str
    actions: tuple[str, ...]
    reward: float
    success: bool


@dataclass(frozen=True, eq=False)
class Decision:
    """A situation and what was done in it: the place of the action in ``observation.actions``."""

    observation: ShopObservation
    action: int


def collect_rollouts(
    agent: ShopAgent,
    settings: Mapping[str, Any],
    goals: Sequence[int],
    *,
    sample_seed: int | None = None,
    perfect: bool = False,
    limit: int | None = None,
) -> list[Rollout]:
    """Let an agent shop for goals, and keep what it did.

    Args:
        agent: who shops, such as an :class:`agents.shop.scripted.Oracle`.
        settings: arguments of the environment, without ``observation`` and ``action_mode``.
        goals: indices of goals, an episode each.
        sample_seed: draws the actions of an agent with probabilities; None takes the likeliest.
        perfect: whether to keep only those that earned 1.
        limit: stop when so many are kept.
    """
    pool = ShopPool(as_read_by(agent, settings), agent.observation, agent.action_mode)
    rng = None if sample_seed is None else np.random.default_rng(sample_seed)
    rollouts: list[Rollout] = []
    total = len(goals) if limit is None else limit
    with progress_bar("rollouts", total) as advance:
        for goal in goals:
            if len(rollouts) >= total:
                break
            rollout = _shop_once(agent, pool, goal, rng)
            if rollout.success or not perfect:
                rollouts.append(rollout)
                advance(1, "")
    return rollouts


def _shop_once(
    agent: ShopAgent, pool: ShopPool, goal: int, rng: np.random.Generator | None
) -> Rollout:
    observation, actions, earned = pool.begin(0, goal), [], 0.0
    while True:
        (action,) = agent.act([observation], rng)
        actions.append(action if isinstance(action, str) else observation.actions[action])
        outcome = pool.step(0, action)
        observation, earned = outcome.observation, earned + outcome.reward
        if outcome.ended:
            text = pool.shop.goals[goal].instruction
            return Rollout(goal, text, tuple(actions), earned, outcome.success)


def replay(
    rollouts: Sequence[Rollout], settings: Mapping[str, Any], observation: str
) -> Iterator[Decision]:
    """The decisions of rollouts, in the form of observation that a policy reads.

    The environment is deterministic, so the same actions lead to the same pages. An action that is
    no choice of the slate, such as a search in a person's own words, is done and not returned.
    Pages of the form ``"prompt"`` are cut as ``settings`` say (``prompt_tokens``, ``pieces``).

    Raises:
        DataError: a rollout was made with other goals than these settings give.
    """
    pool = ShopPool(settings, "url", "text")
    goals = pool.shop.goals
    for rollout in rollouts:
        check_goal(rollout, goals)
        pool.begin(0, rollout.goal)
        for action in rollout.actions:
            seen = pool.look(0, observation)
            if action in seen.actions:
                yield Decision(seen, seen.actions.index(action))
            if pool.step(0, action).ended:
                break


def check_goal(rollout: Rollout, goals: Sequence[Goal]) -> None:
    """Refuse a rollout that was made with other goals.

    Raises:
        DataError: it was.
    """
    if rollout.goal >= len(goals) or goals[rollout.goal].instruction != rollout.instruction:
        raise DataError(
            f"a rollout for goal {rollout.goal} ({rollout.instruction!r:.60}) belongs to another "
            "shop: catalogue, goal_seed, split and the other settings must be those it was "
            "collected with"
        )


def save_rollouts(path: str | os.PathLike[str], rollouts: Sequence[Rollout]) -> None:
    """Write rollouts as JSON, whole or not at all."""
    write_json(path, [asdict(rollout) for rollout in rollouts])


def load_rollouts(path: str | os.PathLike[str]) -> list[Rollout]:
    """Read what :func:`save_rollouts` wrote.

    Raises:
        DataError: the file holds no rollouts.
    """
    place = local_path(path, "rollouts")
    try:
        return [_rollout(**row) for row in read_json(place)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path}: no rollouts ({error!r}); expected what save_rollouts wrote"
        ) from None


def _rollout(goal: Any, instruction: Any, actions: Any, reward: Any, success: Any) -> Rollout:
    """What a file says of a rollout. Raises TypeError where something is of another type."""
    if not isinstance(actions, list) or not all(
        isinstance(a, str) for a in [instruction, *actions]
    ):
        raise TypeError(f"actions and instruction must be texts: {actions!r:.80}")
    if isinstance(goal, bool) or not isinstance(goal, int) or goal < 0:
        raise TypeError(f"the goal must be the index of one: {goal!r:.80}")
    if not isinstance(reward, int | float) or not math.isfinite(reward):
        raise TypeError(f"the reward must be a finite number: {reward!r:.80}")
    if not isinstance(success, bool):
        raise TypeError(f"success must be true or false: {success!r:.80}")
    return Rollout(goal, instruction, tuple(actions), float(reward), success)
