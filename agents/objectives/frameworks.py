"""The registry of frameworks: which terms each adds up, and which heads and draws they need.

Everybody who has to know (the network, its copies, the batches, the settings) asks the declaration
of the framework here, none of them knows a framework by name.

Adding a term or a framework of your own touches none of them either. Write a
:class:`~agents.objectives.LossTerm`, then register a framework that has it::

    class Entropy(LossTerm):
        name = "entropy"

        def __call__(self, outputs, batch):
            log_p = outputs.logits.log_softmax(dim=1)
            return -0.1 * (log_p.exp() * log_p).sum(dim=1).mean()

    register(FRAMEWORKS["snqn"].plus("snqn_sure", Entropy()))
    Recommender(RecommenderConfig(objective="snqn_sure"))

A term that needs a head of its own names it in ``heads``, and reads it with ``outputs.head(name)``;
a framework from nothing is a ``Framework(name, terms, ...)``. LE states, rewards and augmentation
come on top of every registered framework by the usual switches. A saved recommender is loaded where
its framework has been registered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agents.objectives.actor_critic import AdvantageNextItem, CriticNextItem
from agents.objectives.base import LossTerm
from agents.objectives.proxy import CountProxy
from agents.objectives.q_learning import LoggedQ, NegativeQ
from agents.objectives.smorl import ScalarizedQ
from agents.objectives.supervised import NextItem
from llmrec_env.common.errors import SettingError

if TYPE_CHECKING:
    from agents.config import RecommenderConfig

Terms = Callable[["RecommenderConfig"], list[LossTerm]]


@dataclass(frozen=True)
class Framework:
    """What is learned from the logged actions.

    Attributes:
        name: the value of ``RecommenderConfig.objective`` that chooses it.
        terms: from the settings to the terms of the loss on the logged actions.
        title: its name in tables; ``name`` where it is empty.
        q_heads: how many Q-values a state and an item have; 0 where nothing learns values. With
            any, a second copy of the network gives the targets, and the LE's state, reward and
            augmented Q-learning have something to act on: the first of them.
        q_weights: from the settings to the weight of each Q head in the sum whose best item is the
            next action; None weighs them alike.
        heads: further linear heads on the encoder's state, by name, with the number of their
            outputs; None is one output an item.
        negatives: whether its terms read items that the user never saw (``Batch.negatives``).
    """

    name: str
    terms: Terms
    title: str = ""
    q_heads: int = 0
    q_weights: Callable[[RecommenderConfig], tuple[float, ...]] | None = None
    heads: Mapping[str, int | None] = field(default_factory=dict)
    negatives: bool = False

    def plus(
        self, name: str, *terms: LossTerm, heads: Mapping[str, int | None] | None = None
    ) -> Framework:
        """This framework under another name, with further terms and the heads that they read."""
        return replace(
            self,
            name=name,
            title="",
            terms=lambda config: [*self.terms(config), *terms],
            heads={**self.heads, **(heads or {})},
        )


FRAMEWORKS: dict[str, Framework] = {}


def register(framework: Framework) -> Framework:
    """Make a framework a value of ``RecommenderConfig.objective``; returns it.

    Raises:
        SettingError: another framework has its name.
    """
    if framework.name in FRAMEWORKS:
        raise SettingError(
            f"a framework {framework.name!r} is registered already; give yours another name"
        )
    FRAMEWORKS[framework.name] = framework
    return framework


def _supervised(config: RecommenderConfig) -> list[LossTerm]:
    return [NextItem(config.label_smoothing)]


def _sqn(config: RecommenderConfig) -> list[LossTerm]:
    return [NextItem(config.label_smoothing), LoggedQ(config.gamma, config.q_weight)]


def _sac(config: RecommenderConfig) -> list[LossTerm]:
    actor = CriticNextItem(config.label_smoothing, config.warm_up)
    return [actor, LoggedQ(config.gamma, config.q_weight)]


def _snqn(config: RecommenderConfig) -> list[LossTerm]:
    return [*_sqn(config), NegativeQ(config.gamma, config.q_weight)]


def _sa2c(config: RecommenderConfig) -> list[LossTerm]:
    actor = AdvantageNextItem(config.label_smoothing, config.warm_up, config.propensity)
    return [actor, *_snqn(config)[1:]]


def _smorl(config: RecommenderConfig) -> list[LossTerm]:
    values = ScalarizedQ(
        config.gamma,
        config.q_weight,
        _smorl_weights(config),
        config.diversity_vectors,
        config.popular_share,
    )
    return [NextItem(config.label_smoothing), values]


def _smorl_weights(config: RecommenderConfig) -> tuple[float, ...]:
    return config.accuracy_weight, config.diversity_weight, config.novelty_weight


def _proxy(config: RecommenderConfig) -> list[LossTerm]:
    control = CountProxy(config.proxy_weight, config.proxy_counts)
    return [NextItem(config.label_smoothing), control]


register(Framework("supervised", _supervised))
register(Framework("sqn", _sqn, "SQN", q_heads=1))
register(Framework("sac", _sac, "SAC", q_heads=1))
register(Framework("snqn", _snqn, "SNQN", q_heads=1, negatives=True))
register(Framework("sa2c", _sa2c, "SA2C", q_heads=1, negatives=True))
register(Framework("smorl", _smorl, "SMORL", q_heads=3, q_weights=_smorl_weights))
register(Framework("proxy", _proxy, "proxy", heads={"proxy": None}))
