"""SMORL: Q-learning with three heads, for accuracy, diversity and novelty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from agents.objectives.base import Batch, LossTerm, Outputs, half_squared_error
from agents.objectives.q_learning import QLearningConfig
from agents.settings import check_choice, check_not_negative, check_share

DiversityVectors = Literal["output", "input", "given"]


@dataclass(frozen=True)
class ScalarizedQ(LossTerm):
    """``alpha * sum_m w_m TD_m`` over three Q heads that share the encoder.

    ``TD_m = 1/2 (r_m + gamma Q'_m(s', argmax_b sum_j w_j Q_j(s', b)) - Q_m(s, a+))^2``, with one
    next action for all heads, the best by the weighted sum. The rewards:

    - accuracy: that of the logged action, as under SQN;
    - diversity: 1 minus the cosine of the vectors of the state's last item and of the item that the
      supervised head ranks first, in [0, 2];
    - novelty: 1 if the item ranked first is not among the most popular, else 0.

    The last two concern what would be recommended and are credited to the logged action, as in the
    paper. The item ranked first may be one that the user has seen.

    Choices of ours: the paper takes its diversity vectors from a GRU4Rec trained before; here they
    are the network's own, without gradient, unless vectors are given to ``fit``. Popularity is the
    count in the training log, ties by item number. With LE augmentation only the accuracy head
    learns from the proposed action: the LE's reward is a liking, and the other two rewards do not
    depend on the action.

    Attributes:
        gamma: discount.
        alpha: weight of the sum.
        weights: w of accuracy, diversity and novelty.
        vectors: "output" (the table of the supervised head), "input" (the item embedding), or
            "given" (those that ``fit`` is given).
        popular_share: share of the items that count as popular.
    """

    gamma: float = 0.5
    alpha: float = 1.0
    weights: tuple[float, ...] = (1.0, 1.0, 1.0)
    vectors: str = "output"
    popular_share: float = 0.1
    name = "q_smorl"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        bootstrapped = (1 - batch.terminal[:, None]) * outputs.next_values
        target = self.rewards(outputs, batch) + self.gamma * bootstrapped
        errors = half_squared_error(outputs.logged_q, target).mean(dim=0)
        return self.alpha * (errors.new_tensor(self.weights) * errors).sum()

    @torch.no_grad()
    def rewards(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Rewards of accuracy, diversity and novelty, float32 (P, 3)."""
        first = outputs.logits.argmax(dim=1)
        last = batch.items[batch.owned]
        network = outputs.learner
        vectors = network.item_inputs if self.vectors == "input" else network.item_outputs
        if self.vectors == "given":
            assert batch.facts.vectors is not None, "no vectors of the items are given"
            vectors = batch.facts.vectors
        diversity = 1 - F.cosine_similarity(vectors[last], vectors[first], dim=1)
        n_popular = round(self.popular_share * len(vectors))
        novelty = (batch.facts.rank[first] >= n_popular).float()
        return torch.stack([batch.rewards, diversity, novelty], dim=1)


@dataclass(frozen=True, kw_only=True)
class SMORLConfig(QLearningConfig):
    """``L_s + q_weight * sum_m w_m TD_m`` over Q heads for accuracy, diversity and novelty.

    Stamenkovic et al., "Choosing the Best of Both Worlds: Diverse and Novel Recommendations through
    Multi-Objective Reinforcement Learning" (arXiv 2110.15097). Its alpha is ``q_weight``.
    """

    name: ClassVar[str] = "smorl"
    title: ClassVar[str] = "SMORL"

    accuracy_weight: float = 1.0
    """Weight of the accuracy head."""
    diversity_weight: float = 1.0
    """Weight of the diversity head."""
    novelty_weight: float = 1.0
    """Weight of the novelty head."""
    diversity_vectors: DiversityVectors = "output"
    """Vectors that diversity compares: the "output" table or the "input" embedding of the network,
    or those that ``fit`` is given ("given")."""
    popular_share: float = 0.1
    """Share of the catalogue, the most popular items, for which novelty pays nothing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_not_negative(self, "accuracy_weight", "diversity_weight", "novelty_weight")
        check_choice(self, "diversity_vectors", DiversityVectors)
        check_share(self, "popular_share")

    def terms(self) -> list[LossTerm]:
        """``L_s`` and the sum of the three heads' terms."""
        values = ScalarizedQ(
            self.gamma, self.q_weight, self.q_weights, self.diversity_vectors, self.popular_share
        )
        return [self.actor(), values]

    @property
    def q_weights(self) -> tuple[float, ...]:
        """Of accuracy, diversity and novelty."""
        return self.accuracy_weight, self.diversity_weight, self.novelty_weight

    @property
    def reads_vectors(self) -> bool:
        """Where diversity compares given vectors."""
        return self.diversity_vectors == "given"
