"""``Contest``: how agents do on the goal that a person had."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from agents.shop.rollouts import Rollout, collect_rollouts
from agents.shop.scripted import FirstHit, Oracle, ScriptedBrowser
from agents.shop.shop_pool import ShopAgent
from llmrec_env.common import progress
from llmrec_env.envs.shop.shop import Shop

MOST_GOALS = 256
"""Goals whose results are kept."""
WAITED = 2.0
"""Seconds for which a person waits for the agents; a language model takes longer."""


@dataclass(frozen=True, eq=False)
class Contestant:
    """An agent, what it is called, and what it goes by."""

    name: str
    note: str
    agent: ShopAgent


def contestants(shop: Shop, policies: Mapping[str, ShopAgent]) -> list[Contestant]:
    """The rules of the house, the oracle, and trained policies by their names."""
    rules = [
        Contestant("first hit", "searches the instruction, buys what stands first", FirstHit()),
        Contestant("browser", "opens hits until the options are right", ScriptedBrowser()),
        Contestant("oracle", "knows the goal", Oracle(shop)),
    ]
    return rules + [Contestant(name, "trained", policy) for name, policy in policies.items()]


class Contest:
    """The agents' episodes, played when they are asked for first, one after the other.

    Args:
        settings: of the environment.
        contestants: who shops.
    """

    def __init__(self, settings: Mapping[str, Any], contestants: Sequence[Contestant]) -> None:
        self._settings = settings
        self.contestants = contestants
        self._known: OrderedDict[int, list[Future[Rollout]]] = OrderedDict()
        self._playing = threading.Lock()

    def rollouts(self, goal: int) -> list[Future[Rollout]]:
        """What each contestant does with a goal, in their order; those who are slow go on in a
        thread, which ends with the process."""
        if goal not in self._known:
            futures: list[Future[Rollout]] = [Future() for _ in self.contestants]
            self._known[goal] = futures
            threading.Thread(target=self._play, args=(goal, futures), daemon=True).start()
            if len(self._known) > MOST_GOALS:
                self._known.popitem(last=False)
        wait(self._known[goal], WAITED)
        return self._known[goal]

    def _play(self, goal: int, futures: list[Future[Rollout]]) -> None:
        with self._playing, progress.hidden():
            for contestant, future in zip(self.contestants, futures, strict=True):
                try:
                    future.set_result(collect_rollouts(contestant.agent, self._settings, [goal])[0])
                except Exception as error:  # the page tells of it
                    future.set_exception(error)
