"""``Elsewhere``: what users do beside the environment."""

from __future__ import annotations

from typing import Protocol

from llmrec_env.common.arrays import BoolArray, IntArray


class Elsewhere(Protocol):
    """Lets N users take items that the rules did not show: ``UsersInEpisodes.take``."""

    def begin(self, rows: IntArray) -> None:
        """Episodes have just begun in ``rows``, int64 (M,)."""

    def step(self, rows: BoolArray) -> None:
        """Time passes for the users of ``rows``, bool (N,), who are still there after a step."""
