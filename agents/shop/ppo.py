"""Proximal policy optimisation (PPO) for any shopping policy that scores valid actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from agents.shop.policy import ScoringPolicy, draw
from agents.shop.shop_pool import ShopObservation, ShopPool, as_read_by
from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.checks import check_whole
from llmrec_env.common.training import Losses, Metrics, TrainingConfig, TrainingHistory, train


@dataclass(frozen=True)
class PPOConfig:
    """How episodes are lived and learned from (arXiv 1707.06347)."""

    iterations: int = 100
    """How often episodes are lived anew."""
    episodes: int = 128
    """Episodes in an iteration."""
    epochs: int = 4
    """Passes over the steps of an iteration."""
    batches: int = 4
    """Optimiser steps in a pass."""
    learning_rate: float = 1e-3
    """Peak learning rate of AdamW."""
    clip: float = 0.2
    """How far a probability may move in an iteration, as a ratio."""
    gae: float = 0.95
    """Lambda of generalised advantage estimation (arXiv 1506.02438); nothing is discounted."""
    entropy: float = 0.05
    """Weight of the entropy at the first step; it falls to 0 on a line."""
    value: float = 0.5
    """Weight of the squared error of the values."""
    validations: int = 5
    """How often a validation decides which weights are kept."""
    seed: int = 0
    """Seed of goals, actions, batches and dropout."""


@dataclass(frozen=True, eq=False)
class Experience:
    """The steps of an iteration, (n,) each.

    Attributes:
        observations: what was seen; actions: int64, the places of what was done.
        log_probs: float32, of the actions when they were done.
        advantages, returns: float32; the advantages have mean 0 and deviation 1.
    """

    observations: list[ShopObservation]
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor


class _Step(NamedTuple):
    """One decision of an episode and what it earned."""

    observation: ShopObservation
    action: int
    log_prob: float
    value: float
    reward: float


def live(
    policy: ScoringPolicy,
    pool: ShopPool,
    goals: Sequence[int],
    rng: np.random.Generator,
    gae: float = 0.95,
) -> Experience:
    """Let a policy shop to the end, a shopper a goal, with actions drawn by their probabilities."""
    observations = pool.begin_all(goals)
    episodes: list[list[_Step]] = [[] for _ in goals]
    while observations:
        rows = list(observations)
        with torch.no_grad():
            log_probs, values = (part.float().cpu() for part in policy(list(observations.values())))
        drawn = draw(log_probs.numpy(), rng)
        for place, (row, action) in enumerate(zip(rows, drawn, strict=True)):
            outcome = pool.step(row, action)
            log_prob, value = float(log_probs[place, action]), float(values[place])
            step = _Step(observations[row], action, log_prob, value, outcome.reward)
            episodes[row].append(step)
            observations[row] = outcome.observation
            if outcome.ended:
                del observations[row]
    advantages = np.concatenate([_advantages(episode, gae) for episode in episodes])
    steps = [step for episode in episodes for step in episode]
    spread = advantages.std() + 1e-8
    return Experience(
        [step.observation for step in steps],
        torch.tensor([step.action for step in steps]),
        torch.tensor([step.log_prob for step in steps]),
        torch.from_numpy((advantages - advantages.mean()) / spread),
        torch.from_numpy(advantages + np.array([step.value for step in steps], dtype=np.float32)),
    )


def _advantages(episode: Sequence[_Step], gae: float) -> FloatArray:
    """Generalised advantages of one whole episode; a time limit ends it like a bad purchase.

    Nobody goes on shopping after the limit, and the observation counts the steps that are left, so
    the limit belongs to the task.
    """
    advantages = np.zeros(len(episode), dtype=np.float32)
    next_value, running = 0.0, 0.0
    for place in reversed(range(len(episode))):
        step = episode[place]
        running = step.reward + next_value - step.value + gae * running
        advantages[place], next_value = running, step.value
    return advantages


def ppo(
    policy: ScoringPolicy,
    settings: Mapping[str, Any],
    config: PPOConfig | None = None,
    *,
    goals: Sequence[int] | None = None,
    evaluate: Callable[[], Metrics] | None = None,
    folder: str | Path | None = None,
) -> TrainingHistory:
    """Learn from the rewards of the shop.

    Every iteration lives whole episodes, for goals drawn anew, so a run that was killed goes on
    from its last validation as if nothing had happened.

    Args:
        policy: what learns; usually one that has cloned rollouts.
        settings: arguments of the environment, of the training split; ``reward`` may be a language
            reward model.
        config: how episodes are lived and learned from.
        goals: which goals of the split; None for all.
        evaluate: metrics of the policy as it stands; those with the highest ``"success"`` are kept.
            None keeps the last weights.
        folder: where checkpoints go; a run found there is continued.

    Raises:
        SettingError: a setting is out of range.
    """
    config = config or PPOConfig()
    for name in ("iterations", "episodes", "epochs", "batches", "validations"):
        check_whole(name, getattr(config, name), 1)
    pool = ShopPool(as_read_by(policy, settings), policy.observation, size=config.episodes)
    known = np.arange(len(pool.shop.goals)) if goals is None else np.array(goals)
    per_iteration = config.epochs * config.batches
    lived: dict[int, Experience] = {}
    orders: dict[tuple[int, int], list[IntArray]] = {}

    def experience(iteration: int) -> Experience:
        if iteration not in lived:
            lived.clear()
            orders.clear()
            rng = np.random.default_rng([config.seed, iteration])
            drawn = rng.choice(known, size=config.episodes).tolist()
            lived[iteration] = live(policy, pool, drawn, rng, config.gae)
        return lived[iteration]

    def rows_of(iteration: int, epoch: int, batch: int, n: int) -> IntArray:
        if (iteration, epoch) not in orders:
            order = np.random.default_rng([config.seed, iteration, epoch]).permutation(n)
            orders[iteration, epoch] = np.array_split(order, config.batches)
        return orders[iteration, epoch][batch]

    def loss(number: int, rng: np.random.Generator) -> Iterator[Losses]:
        policy.eval()  # a ratio of probabilities must not be one of dropped units
        iteration, place = divmod(number, per_iteration)
        steps = experience(iteration)
        rows = rows_of(iteration, *divmod(place, config.batches), len(steps.observations))
        weight = config.entropy * (1.0 - iteration / config.iterations)
        for part in policy.parts([steps.observations[row] for row in rows]):
            share = len(part) / len(rows)
            terms = _losses(policy, steps, rows[part], config, weight)
            yield {name: share * term for name, term in terms.items()}

    training = TrainingConfig(
        steps=config.iterations * per_iteration,
        learning_rate=config.learning_rate,
        evaluate_every=per_iteration * max(1, config.iterations // config.validations),
        clip_norm=0.5,
        patience=0,
        comparable=False,
        seed=config.seed,
    )
    return train(
        policy,
        loss,
        training,
        evaluate=evaluate,
        metric="success",
        folder=folder,
        run="PPO",
        description="PPO",
    )


def _losses(
    policy: ScoringPolicy,
    steps: Experience,
    rows: IntArray,
    config: PPOConfig,
    entropy_weight: float,
) -> Losses:
    log_probs, values = policy([steps.observations[row] for row in rows])
    actions, before, advantages, returns = (
        part[torch.from_numpy(rows)].to(values.device)
        for part in (steps.actions, steps.log_probs, steps.advantages, steps.returns)
    )
    ratio = (log_probs.gather(1, actions[:, None]).squeeze(1) - before).exp()
    clipped = ratio.clamp(1.0 - config.clip, 1.0 + config.clip)
    gain = torch.minimum(ratio * advantages, clipped * advantages).mean()
    # an action of no probability has no entropy, and no gradient that is a number
    entropy = -(log_probs.exp() * log_probs.masked_fill(log_probs.isinf(), 0.0)).sum(dim=1).mean()
    return {
        "policy": -gain,
        "value": config.value * F.mse_loss(values, returns),
        "entropy": -entropy_weight * entropy,
    }
