"""What training a causal LM to shop will take, from single steps that were timed.

One part of the longest prompts and one of middling ones are learned from and read, and thrown away;
nothing comes from a table of machines. Episodes are taken to be as long as the rollouts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agents.shop.causal_lm import CausalLMPolicy
from agents.shop.dpo import DPOConfig
from agents.shop.fine_tuning import FineTuningConfig
from agents.shop.ppo import PPOConfig
from agents.shop.rollouts import Decision
from llmrec_env.language.estimate import peak_memory, shown_seconds, timed

BOTH = 1.3
"""A decision whose two actions are read, as DPO does, against one."""


@dataclass(frozen=True)
class ShopEstimate:
    """Seconds of each stage, validations included, and bytes at the peak.

    Attributes:
        stages: seconds by name.
        memory: bytes; 0 where the system does not tell.
    """

    stages: Mapping[str, float]
    memory: int

    @property
    def seconds(self) -> float:
        """All stages."""
        return sum(self.stages.values())

    def __str__(self) -> str:
        parts = [f"{name}: {shown_seconds(seconds)}" for name, seconds in self.stages.items()]
        return ", ".join([*parts, *([f"{self.memory / 1e9:.1f} GB"] if self.memory else [])])


def estimate_stages(
    policy: CausalLMPolicy,
    decisions: Sequence[Decision],
    stages: Sequence[str],
    configs: tuple[FineTuningConfig, DPOConfig, PPOConfig],
    rollouts: int,
    validation_goals: int,
) -> ShopEstimate:
    """Time single steps of stages to come; no weight moves.

    Args:
        policy: what will learn.
        decisions: of the rollouts; rollouts: how many they were.
        stages: "behavior_cloning", "dpo" and "ppo", in their turn.
        configs: how long and how fast each of these learns.
        validation_goals: episodes of a validation; 0 for none.
    """
    learn, read = _seconds_of_a_decision(policy, decisions)
    memory = peak_memory(policy.value.weight.device)
    length = len(decisions) / rollouts
    tuning, dpo, ppo = configs
    validation = validation_goals * length * read
    readings = dpo.episodes * length * (2 * dpo.rounds - 1)  # the first needs no reference
    seconds = {
        "behavior_cloning": tuning.epochs * len(decisions) * learn
        + (tuning.validations + 1) * validation,
        "dpo": readings * read
        + dpo.rounds * dpo.steps * dpo.batch_size * BOTH * learn
        + (dpo.rounds + 1) * validation,
        "ppo": ppo.iterations * ppo.episodes * length * (read + ppo.epochs * (learn + read))
        + (ppo.validations + 1) * validation,
    }
    return ShopEstimate({stage: seconds[stage] for stage in stages}, memory)


def _seconds_of_a_decision(
    policy: CausalLMPolicy, decisions: Sequence[Decision]
) -> tuple[float, float]:
    """To learn from one, and to choose in one, of middling length."""
    parts = policy.parts([one.observation for one in decisions])
    longest, middle = parts[0], parts[len(parts) // 2]
    _learn(policy, [decisions[row] for row in longest])
    some = [decisions[row] for row in middle]
    device = policy.value.weight.device
    learn = timed(lambda: _learn(policy, some), device)
    read = timed(lambda: policy.act([one.observation for one in some]), device)
    return learn / len(some), read / len(some)


def _learn(policy: CausalLMPolicy, decisions: Sequence[Decision]) -> None:
    policy.train()
    places = np.array([[one.action] for one in decisions])
    policy.scores([one.observation for one in decisions], places).sum().backward()
    policy.zero_grad(set_to_none=True)
    policy.eval()
