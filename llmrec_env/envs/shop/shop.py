"""``Shop``: catalogue, prices, goals, pages and reward rule that all environments share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from llmrec_env.common.checks import check_whole
from llmrec_env.envs.common.arguments import check_names
from llmrec_env.envs.common.checks import check_name
from llmrec_env.envs.shop.dealing import Instructions, open_goal_set, open_state, protocol_goal_set
from llmrec_env.envs.shop.goals import SPLIT_BY, SPLITS, GoalSet
from llmrec_env.envs.shop.goals.rewritten import load_rewritten
from llmrec_env.envs.shop.inventory import CatalogueSource, open_inventory
from llmrec_env.envs.shop.protocol.protocol import (
    FIXED,
    INSTRUCTIONS,
    REWARDS,
    ShopProtocol,
    load_protocol,
)
from llmrec_env.envs.shop.reward import PublishedReward, RepairedReward, RewardRule

KEYWORDS = (
    "instructions", "reward", "split", "split_by", "goals_per_product", "goal_seed", "protocol"
)  # fmt: skip
"""The arguments of a shop that environments have too, beside its catalogue."""


class Shop:
    """What every environment of the same arguments shares; it does not change.

    It is pickled by its arguments and opened again where it is unpickled.

    Args:
        source: the catalogue, as :func:`llmrec_env.envs.shop.inventory.open_inventory` takes it.
        instructions: ``"synthetic"`` (where None), ``"human"``, ``"paraphrased"``; the path of a
            JSON file that has some of them in other words
            (:mod:`llmrec_env.envs.shop.goals.rewritten`); or a
            :class:`llmrec_env.envs.shop.goals.GoalSet` with goals of one's own, which are taken as
            they are.
        reward: ``"repaired"`` (where None), ``"webshop"`` or a rule of one's own.
        goal_seed: draws prices, limits, and which goals are in which split; 0 where None.
        split, split_by: which goals: see :func:`llmrec_env.envs.shop.goals.split_goals`; by product
            where None.
        goals_per_product: at most so many goals of one product; None for all.
        protocol: a name, a file or a :class:`ShopProtocol`, in place of all but source and split;
            beside it None is the protocol's value, and another one is refused.

    Attributes:
        rule: says what a purchase is worth.
        goal_set: the goals of the split; goals: the same as a list. Unless the reward is
            ``"webshop"``, every one of them can be reached with the product that it was made from;
            goals of one's own are not looked at.
        inventory: the catalogue and its search engine.
        prices: what the products cost in dollars, float64 (n_products,).
        pages: the pages of the shop.
        suggestions: searches that an instruction suggests.
        match_features: compares products with instructions.
        protocol: what results mean here; None where no protocol was named.

    Raises:
        SettingError: an argument has no such value, no goal is left, or something is another than
            the protocol's.
        DataError: the catalogue cannot be read.
    """

    def __init__(
        self,
        source: CatalogueSource = None,
        instructions: str | os.PathLike[str] | GoalSet | None = None,
        reward: str | RewardRule | None = None,
        goal_seed: int | None = None,
        split: str = "train",
        split_by: str | None = None,
        goals_per_product: int | None = None,
        protocol: str | os.PathLike[str] | ShopProtocol | None = None,
    ) -> None:
        check_name("split", split, SPLITS)
        if goal_seed is not None:
            goal_seed = check_whole("goal_seed", goal_seed, 0)
        if goals_per_product is not None:
            goals_per_product = check_whole("goals_per_product", goals_per_product, 1)
        self._arguments = (
            source, instructions, reward, goal_seed, split, split_by, goals_per_product, protocol
        )  # fmt: skip
        given: dict[str, Any] = {
            "instructions": instructions,
            "reward": reward,
            "goal_seed": goal_seed,
            "split_by": split_by,
            "goals_per_product": goals_per_product,
        }
        self.protocol = None if protocol is None else load_protocol(protocol)
        if self.protocol is None:
            fixed = {name: FIXED[name] if own is None else own for name, own in given.items()}
        else:
            fixed = self.protocol.shop_arguments(split, {"source": source, **given})
            source = fixed["source"]
        reward, goal_seed = fixed["reward"], fixed["goal_seed"]
        opened = open_instructions(fixed["instructions"])
        check_name("split_by", fixed["split_by"], SPLIT_BY)
        self.rule = _rule(reward)
        state = open_state(open_inventory(source), goal_seed)
        self.inventory = state.inventory
        self.prices = state.prices
        self.pages = state.pages
        self.suggestions = state.suggestions
        self.match_features = state.match_features
        if self.protocol is not None:
            self.protocol.check_catalogue(state.inventory.catalogue)
            self.goal_set = protocol_goal_set(state, self.protocol, split)
        else:
            published = isinstance(reward, str) and reward == "webshop"
            self.goal_set = open_goal_set(
                state, opened, published, goal_seed, goals_per_product, split, fixed["split_by"]
            )
        self.goals = self.goal_set.goals
        if callable(reward):
            self.protocol = None  # what is earned by another rule is no result of it

    def check_limits(self, name: str, steps: int | None, prompt_tokens: int) -> None:
        """Refuse another limit of steps or longer pages than those of the protocol, where there is
        one; see :meth:`ShopProtocol.check_limits`."""
        if self.protocol is not None:
            self.protocol.check_limits(name, steps, prompt_tokens)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Shop:
        """The shop of an environment's keywords, whose ``catalogue`` is the source.

        Raises:
            UnknownArgumentError: one of them is no keyword of a shop.
        """
        names = {"catalogue": "source", **{name: name for name in KEYWORDS}}
        check_names(settings, list(names))
        return cls(**{names[name]: value for name, value in settings.items()})

    def __deepcopy__(self, memo: object) -> Shop:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Shop, self._arguments


def open_instructions(given: str | os.PathLike[str] | GoalSet) -> Instructions:
    """What was named, read where it is a file.

    Raises:
        SettingError: there is no such kind.
        DataError: the file cannot be read, or holds no rewritten instructions.
    """
    if isinstance(given, GoalSet):
        return given
    if isinstance(given, os.PathLike) or (isinstance(given, str) and given.endswith(".json")):
        return load_rewritten(given)
    return check_name("instructions", given, INSTRUCTIONS, "a JSON file or a GoalSet")


def _rule(reward: str | RewardRule) -> RewardRule:
    if callable(reward) and not isinstance(reward, type):
        return reward
    name = check_name("reward", reward, REWARDS, "a rule, called with a goal and a purchase")
    return RepairedReward() if name == "repaired" else PublishedReward()
