"""``SearchEngine``, the interface of what finds texts by words."""

from __future__ import annotations

from typing import Protocol

from llmrec_env.common.arrays import IntArray
from llmrec_env.envs.text.bm25 import MAX_HITS


class SearchEngine(Protocol):
    """Finds texts by words."""

    def search(self, query: str, k: int = MAX_HITS) -> IntArray:
        """Rows of the best texts, int64 (at most k,), best first; none that lack every word."""
        ...
