"""Direct preference optimisation (DPO) of a shopping policy towards the oracle's actions.

Pairs are made from the policy's own states, as in the perfect rollouts of arXiv 2408.16032.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from agents.shop.policy import ScoringPolicy, draw
from agents.shop.scripted import Oracle
from agents.shop.shop_pool import ShopObservation, ShopPool
from llmrec_env.common.errors import SettingError
from llmrec_env.common.training import Losses, Metrics, TrainingConfig, TrainingHistory, train


@dataclass(frozen=True, eq=False)
class Pair:
    """Two actions in one situation, as places in ``observation.actions``: a+ and a-."""

    observation: ShopObservation
    preferred: int
    rejected: int


@dataclass(frozen=True)
class DPOConfig:
    """How pairs are gathered and learned from."""

    beta: float = 0.5
    """How much a change from the reference counts; the smaller, the further the policy goes."""
    rounds: int = 8
    """How often pairs are gathered anew, in the states that the policy then reaches."""
    episodes: int = 200
    """Sampled episodes in a round; the goals take turns."""
    steps: int = 80
    """Optimiser steps in a round."""
    batch_size: int = 64
    """Pairs in a batch."""
    learning_rate: float = 1e-3
    """Peak learning rate of AdamW."""
    seed: int = 0
    """Seed of episodes, batches and dropout."""


def gather_pairs(
    policy: ScoringPolicy, pool: ShopPool, goals: Sequence[int], rng: np.random.Generator
) -> list[Pair]:
    """Pairs from the states that a policy reaches when it shops for goals, a shopper a goal.

    In each state a+ is where the perfect rollout from there begins, which the oracle writes; a- is
    what the policy did, or its likeliest action besides a+ where it did a+.
    """
    oracle, pairs = Oracle(pool.shop), []
    observations = pool.begin_all(goals)
    while observations:
        rows = list(observations)
        with torch.no_grad():
            log_probs = policy(list(observations.values()))[0].float().cpu().numpy()
        wanted = oracle.act([pool.look(row, oracle.observation) for row in rows])
        drawn = draw(log_probs, rng)
        for row, a_plus, action, scores in zip(rows, wanted, drawn, log_probs, strict=True):
            scores[a_plus] = -np.inf
            a_minus = action if action != a_plus else int(scores.argmax())
            if a_minus != a_plus:  # there was a choice
                pairs.append(Pair(observations[row], a_plus, a_minus))
            outcome = pool.step(row, action)
            observations[row] = outcome.observation
            if outcome.ended:
                del observations[row]
    return pairs


def dpo_loss(
    log_probs: Tensor, reference: Tensor, preferred: Tensor, rejected: Tensor, beta: float
) -> Tensor:
    """The DPO loss of a batch of decisions (arXiv 2305.18290, equation 7, an action at a time).

    ``-log sigmoid(beta * ((log pi(a+) - log ref(a+)) - (log pi(a-) - log ref(a-))))``

    Args:
        log_probs, reference: of the policy and of where it began, float32 (N, A).
        preferred, rejected: places of a+ and a-, int64 (N,).
        beta: see :class:`DPOConfig`.

    Returns:
        The mean, float32 ().
    """
    gains = [
        (log_probs.gather(1, place[:, None]) - reference.gather(1, place[:, None])).squeeze(1)
        for place in (preferred, rejected)
    ]
    return -F.logsigmoid(beta * (gains[0] - gains[1])).mean()


def dpo(
    policy: ScoringPolicy,
    settings: Mapping[str, Any],
    goals: Sequence[int],
    config: DPOConfig | None = None,
    *,
    evaluate: Callable[[], Metrics] | None = None,
    folder: str | Path | None = None,
) -> TrainingHistory:
    """Make perfect rollouts likelier than what the policy does, by DPO.

    The reference is the policy as it is handed in. Pairs come from the policy's own states, anew in
    each round: a perfect rollout from the start never shows what to do after a mistake.

    Args:
        policy: what learns; usually one that has cloned rollouts.
        settings: arguments of the environment, of the training split.
        goals: the goals whose perfect rollouts may be generated.
        config: how pairs are gathered and learned from.
        evaluate: metrics of the policy as it stands, after each round; those with the highest
            ``"success"`` are kept.
        folder: where checkpoints go; a run found there is continued.

    Raises:
        SettingError: there is no goal.
    """
    config = config or DPOConfig()
    if not goals:
        raise SettingError("no goal to generate rollouts for")
    reference = deepcopy(policy).eval()
    pool = ShopPool(settings, policy.observation, size=config.episodes)
    gathered: dict[int, list[Pair]] = {}

    def pairs_of(round_number: int) -> list[Pair]:
        if round_number not in gathered:
            gathered.clear()
            policy.eval()
            rng = np.random.default_rng([config.seed, round_number])
            turn = np.roll(goals, -round_number * config.episodes)
            visited = np.resize(turn, config.episodes).tolist()
            gathered[round_number] = gather_pairs(policy, pool, visited, rng)
            policy.train()
        return gathered[round_number]

    def loss(number: int, rng: np.random.Generator) -> Losses:
        pairs = pairs_of(number // config.steps)
        batch = [pairs[row] for row in rng.integers(len(pairs), size=config.batch_size)]
        observations = [pair.observation for pair in batch]
        with torch.no_grad():
            before = reference(observations)[0]
        log_probs, _ = policy(observations)
        preferred, rejected = (
            torch.tensor([getattr(pair, which) for pair in batch], device=log_probs.device)
            for which in ("preferred", "rejected")
        )
        return {"dpo": dpo_loss(log_probs, before, preferred, rejected, config.beta)}

    training = TrainingConfig(
        steps=config.rounds * config.steps,
        learning_rate=config.learning_rate,
        evaluate_every=config.steps,
        patience=0,
        seed=config.seed,
    )
    return train(
        policy,
        loss,
        training,
        evaluate=evaluate,
        metric="success",
        folder=folder,
        run="DPO",
        description="DPO",
    )
