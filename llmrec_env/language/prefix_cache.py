"""``PrefixCache``: keeps keys, values and states of initial histories, to skip rereading them.

While an agent learns, episodes are short and start from the same few hundred users over and over.
Reading their initial histories each time would take half of the time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llmrec_env.language.lm.backend import RowCache

BYTES = 256 * 1024**2  # kept at most
ROWS = 1024  # initial histories kept at most


class PrefixCache:
    """Keeps what was read of some rows of a decoder, the oldest making room for the newest.

    Args:
        cache: the decoder's keys and values, written at least once.
        others: further tensors of the decoder with one entry a row.
    """

    def __init__(self, cache: RowCache, others: list[Tensor]) -> None:
        self._cache = cache
        # Without a language model there are no keys and values, and the others are all there is.
        row_bytes = cache.row_bytes + sum(t[0].numel() * t.element_size() for t in others)
        size = max(1, min(ROWS, BYTES // row_bytes))
        self._kept = RowCache(len(cache.layers), size, cache.slots)
        self._others = [t.new_zeros(size, *t.shape[1:]) for t in others]
        self._places: dict[bytes, int] = {}
        self._names: list[bytes | None] = [None] * size
        self._next = 0

    def holds(self, name: bytes) -> bool:
        """Whether an initial history of this name is here."""
        return name in self._places

    def put(self, names: list[bytes], rows: Tensor, others: list[Tensor]) -> None:
        """Keep rows int64 (M,) of the decoder under ``names``, as many as there is room for."""
        names = names[: len(self._names)]
        places = [(self._next + i) % len(self._names) for i in range(len(names))]
        self._next = (self._next + len(names)) % len(self._names)
        for name, place in zip(names, places, strict=True):
            old = self._names[place]
            if old is not None and self._places.get(old) == place:
                del self._places[old]
            self._names[place], self._places[name] = name, place
        to, rows = torch.tensor(places, device=rows.device), rows[: len(names)]
        self._kept.copy(to, self._cache, rows)
        for kept, current in zip(self._others, others, strict=True):
            kept[to] = current[rows]

    def take(self, names: list[bytes], rows: Tensor) -> list[Tensor]:
        """Put initial histories into rows int64 (M,) of the decoder; the entries of others."""
        places = torch.tensor([self._places[name] for name in names], device=rows.device)
        self._cache.copy(rows, self._kept, places)
        return [kept[places] for kept in self._others]
