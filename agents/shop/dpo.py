"""Direct preference optimisation (DPO) of a shopping policy towards a teacher's actions.

Pairs are made from the policy's own states, as in the perfect rollouts of arXiv 2408.16032.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from agents.shop.policy import ScoringPolicy, draw
from agents.shop.scripted import Oracle, Rule
from agents.shop.shop_pool import ShopObservation, ShopPool, as_read_by
from llmrec_env.common.checks import check_whole
from llmrec_env.common.errors import SettingError
from llmrec_env.common.training import Losses, Metrics, TrainingConfig, TrainingHistory, train
from llmrec_env.envs.shop.shop import Shop


@dataclass(frozen=True, eq=False)
class Pair:
    """Two actions in one situation, as places in ``observation.actions``: a+ and a-.

    Attributes:
        margin: log pi(a+) - log pi(a-) of the policy that was there.
    """

    observation: ShopObservation
    preferred: int
    rejected: int
    margin: float


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
    policy: ScoringPolicy,
    pool: ShopPool,
    goals: Sequence[int],
    rng: np.random.Generator,
    teacher: Rule | None = None,
) -> list[Pair]:
    """Pairs from the states that a policy reaches when it shops for goals, a shopper a goal.

    In each state a+ is what the teacher would do there (where None an oracle, with which the
    perfect rollout from there begins); a- is what the policy did, or its likeliest action besides
    a+ where it did a+.
    """
    pairs: list[Pair] = []
    teacher = teacher or Oracle(pool.shop)
    observations = pool.begin_all(goals)
    while observations:
        rows = list(observations)
        with torch.no_grad():
            log_probs = policy(list(observations.values()))[0].float().cpu().numpy()
        wanted = teacher.act([pool.look(row, teacher.observation) for row in rows])
        drawn = draw(log_probs, rng)
        for row, a_plus, action, scores in zip(rows, wanted, drawn, log_probs, strict=True):
            others = np.where(np.arange(len(scores)) == a_plus, -np.inf, scores)
            a_minus = action if action != a_plus else int(others.argmax())
            if a_minus != a_plus:  # there was a choice
                margin = float(scores[a_plus] - scores[a_minus])
                pairs.append(Pair(observations[row], a_plus, a_minus, margin))
            outcome = pool.step(row, action)
            observations[row] = outcome.observation
            if outcome.ended:
                del observations[row]
    return pairs


def dpo_loss(margins: Tensor, reference: Tensor, beta: float) -> Tensor:
    """The DPO losses of decisions (arXiv 2305.18290, equation 7, an action at a time).

    ``-log sigmoid(beta * ((log pi(a+) - log ref(a+)) - (log pi(a-) - log ref(a-))))``

    Args:
        margins: log pi(a+) - log pi(a-), float32 (N,); reference: the same of where the policy
            began.
        beta: see :class:`DPOConfig`.

    Returns:
        float32 (N,).
    """
    return -F.logsigmoid(beta * (margins - reference))


def margins_of(policy: ScoringPolicy, pairs: Sequence[Pair]) -> Tensor:
    """log pi(a+) - log pi(a-) of each pair, float32 (N,)."""
    places = np.array([(pair.preferred, pair.rejected) for pair in pairs])
    scores = policy.scores([pair.observation for pair in pairs], places)
    return scores[:, 0] - scores[:, 1]


def dpo(
    policy: ScoringPolicy,
    settings: Mapping[str, Any],
    goals: Sequence[int],
    config: DPOConfig | None = None,
    *,
    teacher: Callable[[Shop], Rule] = Oracle,
    evaluate: Callable[[], Metrics] | None = None,
    folder: str | Path | None = None,
) -> TrainingHistory:
    """Make what a teacher does likelier than what the policy does, by DPO.

    The reference is the policy as it is handed in. Pairs come from the policy's own states, anew in
    each round: a perfect rollout from the start never shows what to do after a mistake.

    Args:
        policy: what learns; usually one that has cloned rollouts.
        settings: arguments of the environment, of the training split.
        goals: the goals whose perfect rollouts may be generated.
        config: how pairs are gathered and learned from.
        teacher: makes the rule that says what should have been done.
        evaluate: metrics of the policy as it stands, after each round; those with the highest
            ``"success"`` are kept. None keeps the last weights.
        folder: where checkpoints go; a run found there is continued.

    Raises:
        SettingError: there is no goal.
    """
    config = config or DPOConfig()
    if not goals:
        raise SettingError("no goal to generate rollouts for")
    for name in ("rounds", "episodes", "steps", "batch_size"):
        check_whole(name, getattr(config, name), 1)
    if config.beta <= 0:
        raise SettingError(f"beta must be above 0, got {config.beta}")
    rounds = _Rounds(policy, settings, goals, config, teacher)

    def loss(number: int, rng: np.random.Generator) -> Iterator[Losses]:
        pairs, reference = rounds.pairs(number // config.steps)
        batch = rng.integers(len(pairs), size=config.batch_size)
        for part in policy.parts([pairs[row].observation for row in batch]):
            rows = batch[part]
            margins = margins_of(policy, [pairs[row] for row in rows])
            before = reference[torch.from_numpy(rows)].to(margins.device)
            losses = dpo_loss(margins, before, config.beta)
            yield {"dpo": losses.sum() / len(batch)}

    training = TrainingConfig(
        steps=config.rounds * config.steps,
        learning_rate=config.learning_rate,
        evaluate_every=config.steps,
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
        run="DPO",
        description="DPO",
    )


class _Rounds:
    """The pairs of each round, and what the policy thought of them before it learned.

    The reference is the policy as it comes in. Only what learns is copied, so no second model is
    held. It is asked once about each pair, and in the first round not at all: it gathers the pairs
    itself.
    """

    def __init__(
        self,
        policy: ScoringPolicy,
        settings: Mapping[str, Any],
        goals: Sequence[int],
        config: DPOConfig,
        teacher: Callable[[Shop], Rule],
    ) -> None:
        self._policy, self._goals, self._config = policy, goals, config
        read = as_read_by(policy, settings)
        self._pool = ShopPool(read, policy.observation, size=config.episodes)
        self._teacher = teacher(self._pool.shop)
        learning = {n: p for n, p in policy.named_parameters() if p.requires_grad}
        self._reference = {name: value.detach().clone() for name, value in learning.items()}
        self._kept: dict[int, tuple[list[Pair], Tensor]] = {}

    def pairs(self, number: int) -> tuple[list[Pair], Tensor]:
        """Pairs of a round, and their margins by the reference, float32 (N,)."""
        if number not in self._kept:
            self._kept.clear()
            self._policy.eval()
            rng = np.random.default_rng([self._config.seed, number])
            turn = np.roll(self._goals, -number * self._config.episodes)
            visited = np.resize(turn, self._config.episodes).tolist()
            pairs = gather_pairs(self._policy, self._pool, visited, rng, self._teacher)
            margins = torch.tensor([pair.margin for pair in pairs])
            self._kept[number] = pairs, self._before(pairs) if number else margins
            self._policy.train()
        return self._kept[number]

    @torch.no_grad()
    def _before(self, pairs: Sequence[Pair]) -> Tensor:
        now = {n: p.detach().clone() for n, p in self._policy.named_parameters() if p.requires_grad}
        self._put(self._reference)
        try:
            return margins_of(self._policy, pairs).cpu()
        finally:
            self._put(now)

    def _put(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self._policy.named_parameters():
            if name in values:
                parameter.copy_(values[name])
