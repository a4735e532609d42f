"""``Contest``: how agents do on the goal that a person had."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool

from agents.shop.rollouts import Rollout, collect_rollouts
from agents.shop.scripted import FirstHit, Oracle, ScriptedBrowser
from agents.shop.shop_pool import ShopAgent
from llmrec_env.common import progress
from llmrec_env.envs.shop.shop import Shop

MOST_GOALS = 256
"""Goals whose results are kept."""


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
    """The agents' episodes, each played when it is asked for first.

    Args:
        settings: of the environment.
        contestants: who shops.
    """

    def __init__(self, settings: Mapping[str, Any], contestants: list[Contestant]) -> None:
        self._settings = settings
        self.contestants = contestants
        self._known: OrderedDict[int, list[Rollout]] = OrderedDict()
        self._lock = asyncio.Lock()

    async def rollouts(self, goal: int) -> list[Rollout]:
        """What each contestant does with a goal, in their order.

        A language model takes seconds, so it is asked in a thread of its own, one goal at a time.
        """
        async with self._lock:
            if goal not in self._known:
                self._known[goal] = await run_in_threadpool(self._play, goal)
                if len(self._known) > MOST_GOALS:
                    self._known.popitem(last=False)
        return self._known[goal]

    def _play(self, goal: int) -> list[Rollout]:
        with progress.hidden():
            return [
                collect_rollouts(contestant.agent, self._settings, [goal])[0]
                for contestant in self.contestants
            ]
