"""What an agent of the shop is: it sees pages and names actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True, eq=False)
class ShopObservation:
    """One shopper's situation.

    Attributes:
        observation: what the environment shows, in the form that the agent asked for.
        actions: the valid actions, as texts; on the index page the three suggested searches.
        goal_index: which of the environment's goals it is. Nobody but an oracle may use it.
    """

    observation: Any
    actions: tuple[str, ...]
    goal_index: int

    @classmethod
    def of(cls, observation: Any, info: Mapping[str, Any]) -> ShopObservation:
        """What the environment's ``reset`` and ``step`` return."""
        return cls(observation, info["valid_actions"], info["goal_index"])


class ShopAgent(Protocol):
    """Anything that shops.

    Attributes:
        observation: the form it reads, as ``gym.make("LLMRec/Shop-v0", observation=...)`` takes it.
        action_mode: ``"index"`` (places among the valid actions) or ``"text"``.
    """

    observation: str
    action_mode: str

    def act(
        self, sights: Sequence[ShopObservation], rng: np.random.Generator | None = None
    ) -> Sequence[int | str]:
        """One action for each sight.

        Args:
            sights: what the shoppers see.
            rng: draws the actions of an agent that has probabilities; None takes the likeliest.
        """
        ...


class Rule:
    """An agent that names one of the valid actions by looking at the structured page."""

    observation = "dict"
    action_mode = "index"

    def choose(self, sight: ShopObservation) -> str:
        """One of ``sight.actions``."""
        raise NotImplementedError

    def act(
        self, sights: Sequence[ShopObservation], rng: np.random.Generator | None = None
    ) -> list[int]:
        """The place of the chosen action, for each sight; nothing is drawn."""
        return [sight.actions.index(self.choose(sight)) for sight in sights]
