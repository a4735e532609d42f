"""``ObjectiveConfig``: a framework's settings, its loss terms, and the heads that they need.

The network, its copies, the batches and the settings ask this declaration; none of them knows a
framework by name. A framework of your own is a dataclass with its settings and its terms, derived
from :class:`ObjectiveConfig` or from the config of the framework that it extends::

    class Entropy(LossTerm):
        name = "entropy"

        def __init__(self, weight):
            self.weight = weight

        def __call__(self, outputs, batch):
            log_p = outputs.logits.log_softmax(dim=1)
            return -self.weight * (log_p.exp() * log_p).sum(dim=1).mean()

    @register
    @dataclass(frozen=True, kw_only=True)
    class SureSNQNConfig(SNQNConfig):
        name = "snqn_sure"
        entropy_weight: float = 0.1

        def terms(self):
            return [*super().terms(), Entropy(self.entropy_weight)]

    Recommender(RecommenderConfig.of("sasrec", "snqn_sure", entropy_weight=0.2))

LE states, rewards and augmentation come on top of every registered framework by the usual switches.
A saved recommender is loaded where its framework has been registered.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from agents.objectives.base import LossTerm
from agents.settings import Registry
from llmrec_env.data.events import CLICK_REWARD, PURCHASE_REWARD


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig(ABC):
    """The settings of a framework, and what is learned from the logged actions under them.

    Settings are numbers, strings, booleans or None, each with a default, so that a saved
    recommender reads back as it was. A framework that learns action values derives from
    :class:`~agents.objectives.q_learning.QLearningConfig`.
    """

    name: ClassVar[str]
    """The keyword that chooses it, such as "snqn"."""
    title: ClassVar[str] = ""
    """What tables call it; ``name`` where it is left out."""

    @abstractmethod
    def terms(self) -> list[LossTerm]:
        """The terms of the loss on the logged actions."""

    @property
    def q_weights(self) -> tuple[float, ...]:
        """The weight of each Q head in the sum whose best item is the next action.

        Empty where nothing learns action values. With any, a second copy of the network gives the
        targets, and the LE's state, reward and augmented Q-learning act on the first Q head.
        """
        return ()

    @property
    def heads(self) -> Mapping[str, int | None]:
        """Further linear heads on the encoder's state: outputs by name; None is one an item."""
        return {}

    @property
    def n_negatives(self) -> int:
        """Items a step, never seen by the user, that the terms read as ``Batch.negatives``."""
        return 0

    @property
    def reads_vectors(self) -> bool:
        """Whether ``fit`` has to be given vectors of the items (``LogFacts.vectors``)."""
        return False

    @property
    def event_rewards(self) -> tuple[float, float]:
        """The rewards of a click and of a purchase, in a log that tells events."""
        return CLICK_REWARD, PURCHASE_REWARD

    @property
    def copies(self) -> int:
        """Copies of the network that learn."""
        return 1

    def copies_target(self, step: int) -> bool:
        """Whether the learner is copied into the target at this step."""
        return False


FRAMEWORKS: Registry[ObjectiveConfig] = Registry("objective", "agents.objectives.register")
"""The config class of each framework, by name."""
F = TypeVar("F", bound=ObjectiveConfig)


def register(config: type[F]) -> type[F]:
    """Make a framework's config class a value of ``objective``; returns it, as a decorator does.

    Raises:
        SettingError: the name is missing or taken, or a field has no default.
    """
    return FRAMEWORKS.add(config)
