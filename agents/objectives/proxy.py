"""The control without reinforcement learning: an auxiliary task in place of the Q loss."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from agents.objectives.base import Batch, LossTerm, Outputs, half_squared_error


@dataclass(frozen=True)
class CountProxy(LossTerm):
    """``1/2 (n / N - h(s)[a+])^2``: how many items has the user interacted with?

    Labarca et al., "On the Unexpected Effectiveness of Reinforcement Learning for Sequential
    Recommendation" (ICML 2024), found that this loss beside ``L_s`` ranks as well as SQN: a gain of
    Q-learning that it matches is not one of reinforcement learning. As in the authors' code the
    head ``h`` has the shape of a Q head, one output an item, and is read at the logged action; n
    counts the items before that action, all of them and not just those that the encoder reads; and
    N is the largest n of the log. Nothing is bootstrapped, so there is no second copy.

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
