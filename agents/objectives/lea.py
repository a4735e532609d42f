"""LEA: what an LE adds to any framework (its state, its reward, augmentation), as loss terms.

Augmentation adds ``lambda * [L_s(a^) + L_q(a^, r^)]`` to the framework's loss on the logged
actions, the second term where the framework has a Q head. The weights of SAC and SA2C apply to the
logged ``L_s`` only, not to ``L_s(a^)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from agents.objectives.base import Augmentation, Batch, LossTerm, Outputs, half_squared_error
from agents.objectives.framework import ObjectiveConfig
from agents.objectives.q_learning import QLearningConfig
from agents.settings import check_choice, check_not_negative, check_positive, check_share
from llmrec_env.common.errors import SettingError
from llmrec_env.common.settings_types import check_types

StateTo = Literal["q_head", "fused", "distilled"]
Moves = Literal["constant", "rise", "fall"]
Teacher = Literal["language", "random", "popular", "cooccurrence"]

BASE = "snqn"
"""The framework under LEA where none is named; tables then show the variant alone."""
LANGUAGE = "language"
"""The head that predicts the simulator's state, where that is distilled."""
VARIANTS = {
    (False, False, False): "",
    (True, False, False): "LES",
    (False, True, False): "LER",
    (False, False, True): "LEA",
    (True, True, False): "LESR",
    (True, False, True): "LEAS",
    (False, True, True): "LEAR",
    (True, True, True): "LEASR",
}


@dataclass(frozen=True)
class Schedule:
    """How the weight of the proposed actions moves over the first passes over the log."""

    kind: Moves = "constant"
    passes: float = 5.0

    def share(self, passes: float) -> float:
        """The share of the weight that counts after so many passes, in [0, 1]."""
        if self.kind == "constant":
            return 1.0
        done = min(1.0, passes / self.passes)
        return done if self.kind == "rise" else 1.0 - done


@dataclass(frozen=True)
class AugmentedNextItem(LossTerm):
    """``L_s(a^) = -sum_k w_k log softmax(f(s))[a^_k]``, soft targets over the K proposals."""

    weight: float = 0.5
    schedule: Schedule = Schedule()
    name = "augmented"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        augmentation = _augmentation(batch)
        log_probabilities = outputs.log_probabilities(augmentation.actions)
        weight = self.weight * self.schedule.share(batch.passes)
        return -weight * (augmentation.weights * log_probabilities).sum(dim=1).mean()


@dataclass(frozen=True)
class AugmentedQ(LossTerm):
    """``L_q(a^, r^)`` of the best proposed action; its next state has the action appended."""

    gamma: float = 0.5
    weight: float = 0.5
    schedule: Schedule = Schedule()
    name = "q_augmented"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        augmentation = _augmentation(batch)
        target = augmentation.rewards + self.gamma * outputs.augmented_next_value
        q = outputs.q_values(augmentation.actions[:, :1])[:, 0]
        weight = self.weight * self.schedule.share(batch.passes)
        return weight * (augmentation.proposed * half_squared_error(q, target)).mean()


@dataclass(frozen=True)
class DistilledState(LossTerm):
    """``1 - cos(D s, s_LE)``: the state, linearly mapped, points where the simulator's does."""

    weight: float = 1.0
    name = "state"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        assert batch.language is not None, "there are no states of a simulator"
        cosine = torch.nn.functional.cosine_similarity(outputs.head(LANGUAGE), batch.language)
        return self.weight * (1 - cosine).mean()


def _augmentation(batch: Batch) -> Augmentation:
    assert batch.augmentation is not None, "no actions were proposed"
    return batch.augmentation


@dataclass(frozen=True, kw_only=True)
class LanguageConfig:
    """The switches of LEA, and how strongly each acts; all are off by default.

    "Reinforcement Learning-based Recommender Systems with Large Language Models for State Reward
    and Action Modeling" (arXiv 2403.16948).

    Raises:
        SettingError: a value is out of range, or a teacher is named and nothing is augmented.
    """

    state: bool = False
    """LE state: learn with the simulator's state, where ``state_to`` says."""
    reward: bool = False
    """LE reward: the simulator's liking replaces the constant one, where there is a Q head."""
    augment: bool = False
    """LE augmentation: learn from proposed positive actions besides the logged ones."""

    state_to: StateTo = "q_head"
    """Where the LE state goes: beside the encoder's into the Q head ("q_head"), added to it through
    a map that begins at zero ("fused"; serving then asks the simulator), or into an auxiliary
    target that the encoder's state learns to predict ("distilled"). All but "fused" serve alone."""
    state_weight: float = 1.0
    """Weight of the auxiliary target of a "distilled" state."""

    augment_weight: float = 0.5
    """Weight (lambda) of the terms on the proposed actions."""
    augment_schedule: Moves = "constant"
    """How lambda moves over the first ``augment_passes``: not at all, up from 0, or down to 0."""
    augment_passes: float = 5.0
    """Passes over the log in which a moving lambda arrives."""
    augment_share: float = 1.0
    """Share of the steps with proposed actions that learn from them, a seeded choice; the steps of
    a lower share are among those of a higher one, and 0 is as if ``augment`` were off."""
    augment_k: int = 20
    """Proposed actions a step that are soft targets; 1 makes the best one a hard target."""
    temperature: float = 1.0
    """Temperature of the softmax that turns preferences over the K proposals into soft targets."""
    augment_later: bool = True
    """Whether soft targets may name items that the user took later; else these are learned as what
    they do not want."""
    teacher: Teacher = "language"
    """Who proposes: the simulator ("language") or a control without language."""

    def __post_init__(self) -> None:
        check_types(self)
        check_choice(self, "state_to", StateTo)
        check_choice(self, "augment_schedule", Moves)
        check_choice(self, "teacher", Teacher)
        check_positive(self, "augment_k", "temperature", "augment_passes")
        check_not_negative(self, "state_weight", "augment_weight")
        check_share(self, "augment_share")
        if self.teacher != "language" and not self.augment:
            raise SettingError(
                f"teacher={self.teacher!r} proposes actions, from which only augment=True learns"
            )

    @property
    def variant(self) -> str:
        """The name of the switches: "LES", "LER", "LESR", "LEA", "LEASR", …; "" without any."""
        return VARIANTS[self.state, self.reward, self.augment]

    @property
    def state_reader(self) -> str:
        """What reads the LE state: a value of ``state_to``, or "" where there is none."""
        return self.state_to if self.state else ""

    @property
    def augmented(self) -> bool:
        """Whether any step learns from proposed actions."""
        return self.augment and self.augment_share > 0

    @property
    def needs_simulator(self) -> bool:
        """Whether learning asks a simulated user."""
        return self.state or self.reward or (self.augmented and self.teacher == "language")

    def terms(self, objective: ObjectiveConfig) -> list[LossTerm]:
        """The terms that are added to those of a framework."""
        terms: list[LossTerm] = []
        if self.state_reader == "distilled":
            terms.append(DistilledState(self.state_weight))
        schedule = Schedule(self.augment_schedule, self.augment_passes)
        if self.augmented:
            terms.append(AugmentedNextItem(self.augment_weight, schedule))
        if self.augmented and isinstance(objective, QLearningConfig):
            weight = self.augment_weight * objective.q_weight * objective.q_weights[0]
            terms.append(AugmentedQ(objective.gamma, weight, schedule))
        return terms

    def check(self, objective: ObjectiveConfig) -> None:
        """Refuse switches that act on a Q head, on a framework without one.

        Raises:
            SettingError: the framework learns no action values.
        """
        on_q_head = self.reward or self.state_reader == "q_head"
        if on_q_head and not objective.q_weights:
            raise SettingError(
                f"state and reward act on the Q head, which objective={objective.name!r} has not; "
                "use objective='snqn' or another with Q-learning, or switch them off (a state may "
                "also go elsewhere: state_to)"
            )
