"""A control for Q-learning: an auxiliary task (counting a user's items) replaces the Q loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from agents.objectives.base import Batch, LossTerm, Outputs, half_squared_error
from agents.objectives.supervised import SupervisedConfig
from agents.settings import check_choice

ProxyCounts = Literal["history", "future"]


@dataclass(frozen=True)
class CountProxy(LossTerm):
    """``1/2 (n / N - h(s)[a+])^2``: how many items has the user interacted with?

    As in the authors' code the head ``h`` has the shape of a Q head, one output an item, and is
    read at the logged action; n counts the items before that action, all of them and not just those
    that the encoder reads; and N is the largest n of the log. Nothing is bootstrapped, so there is
    no second copy.

    Attributes:
        weight: of the term.
        counts: "history" (their main proxy) or "future": n is then the number of items after the
            logged action, which they found to work as well, and N stays.
    """

    weight: float = 1.0
    counts: str = "history"
    name = "proxy"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        n = batch.items_before if self.counts == "history" else batch.items_after
        predicted = outputs.head("proxy", batch.actions[:, None])[:, 0]
        return self.weight * half_squared_error(predicted, n / batch.facts.longest).mean()


@dataclass(frozen=True, kw_only=True)
class ProxyConfig(SupervisedConfig):
    """``L_s + proxy_weight * 1/2 (n / N - h(s)[a+])^2``, no reinforcement learning.

    Labarca et al., "On the Unexpected Effectiveness of Reinforcement Learning for Sequential
    Recommendation" (ICML 2024), found that this loss beside ``L_s`` ranks as well as SQN: a gain of
    Q-learning that it matches is not one of reinforcement learning.
    """

    name: ClassVar[str] = "proxy"

    proxy_weight: float = 1.0
    """Weight of the auxiliary loss."""
    proxy_counts: ProxyCounts = "history"
    """What is predicted: the number of items before ("history") or after ("future") the action."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self, "proxy_counts", ProxyCounts)

    def terms(self) -> list[LossTerm]:
        """``L_s`` and the count."""
        return [*super().terms(), CountProxy(self.proxy_weight, self.proxy_counts)]

    @property
    def heads(self) -> Mapping[str, int | None]:
        """The head ``h``, one output an item."""
        return {"proxy": None}
