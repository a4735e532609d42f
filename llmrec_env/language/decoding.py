"""``Decoder``: serves N users step by step, one token a shown item, with a key-value cache.

Every row has a length of its own. A shown item is written just past the row's end and read there;
where the user takes it the length grows by one, and where not the next item overwrites it, so a
refused item leaves no trace. So a step costs one token a user, in one pass for all of them, however
long their histories are; only where a full window moves is it read anew (by default 33 items, each
time 32 more were taken). docs/results/speed.md has the milliseconds. ::

    row 0   k0 k1 k2 k3 | a .          length 4, the action goes to slot 4
    row 1   k0 k1 | a . . .            length 2, the action goes to slot 2
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray, KeepsArrays
from llmrec_env.common.errors import SimulatorError
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.labelling import check_histories, cut_values, pad, pad_values
from llmrec_env.language.liking import Pools
from llmrec_env.language.prefix_cache import PrefixCache


class Decoder(KeepsArrays):
    """The LE in the middle of N histories; tensors in, tensors out.

    Args:
        le: who answers.
        histories: N item arrays, each with at least one item.
        values: beside each item how it was liked, on the LE's scale, NaN where unknown; None where
            nobody knows. What is taken later is read as unknown.

    Attributes:
        states: float32 (N, D), the users as they are now.
    """

    @torch.inference_mode()
    def __init__(
        self,
        le: AnsweringLE,
        histories: Sequence[IntArray],
        values: Sequence[FloatArray] | None = None,
    ) -> None:
        self.le = le
        self.window = le.window
        n, device = len(histories), le.device
        self._cache = le.backend.new_cache(n, self.window.size + 1)
        self._recent = np.zeros((n, self.window.size), dtype=np.int64)
        self._values = np.full((n, self.window.size), np.nan, dtype=np.float32)
        self._total = np.zeros(n, dtype=np.int64)
        self._length = torch.zeros(n, dtype=torch.long, device=device)
        self._means = torch.zeros(n, le.state_size, device=device)
        self._all_rows = torch.arange(n, device=device)
        self._slots = torch.arange(self.window.size + 1, device=device)
        self._kept_shares = le.heads.kept_shares(self._slots.float())
        self._pools: list[Tensor] = []
        if le.tells_liking:
            self._pools = le.no_pools(n)
        self._prefix_cache: PrefixCache | None = None
        self._shown: Tensor | None = None
        self._hidden: Tensor | None = None
        self.states = torch.zeros(n, le.state_size, device=device)
        self.restart(np.arange(n), histories, values)

    @torch.inference_mode()
    def restart(
        self,
        rows: IntArray,
        histories: Sequence[IntArray],
        values: Sequence[FloatArray] | None = None,
    ) -> Tensor:
        """Put other histories into some rows; the other rows are not read again."""
        if len(rows) == 0:
            return self.states
        check_histories(histories, self.le.n_items)
        for row, history in zip(rows, histories, strict=True):
            self._total[row] = len(history)
            recent = history[-self.window.size :]
            self._recent[row, -len(recent) :] = recent
        if self.le.tells_liking:
            told = cut_values(self.le, histories, values, [-self.window.size] * len(rows))
            assert told is not None
            for row, own in zip(rows, told, strict=True):
                self._values[row] = np.nan
                self._values[row, -len(own) :] = own
        if len(rows) == len(self._total):
            self._read(rows)
        else:
            self._reopen(rows, [self._name(row, h) for row, h in zip(rows, histories, strict=True)])
        return self.states

    def _name(self, row: int, history: IntArray) -> bytes:
        """What tells a history, with how its items were liked, from others."""
        name = np.asarray(history).tobytes()
        return name + self._values[row].tobytes() if self.le.tells_liking else name

    def _reopen(self, rows: IntArray, names: list[bytes]) -> None:
        """Read the histories of some rows, but for those that were read before."""
        if self._prefix_cache is None:
            self._prefix_cache = PrefixCache(self._cache, self._kept())
        known = np.array([self._prefix_cache.holds(name) for name in names])
        again = [name for name, k in zip(names, known, strict=True) if k]
        if again:
            chosen = torch.from_numpy(rows[known]).to(self.le.device)
            self.states = self.states.clone()
            taken = self._prefix_cache.take(again, chosen)
            for current, found in zip(self._kept(), taken, strict=True):
                current[chosen] = found
        if len(again) < len(names):
            self._read(rows[~known])
            chosen = torch.from_numpy(rows[~known]).to(self.le.device)
            new = [name for name, k in zip(names, known, strict=True) if not k]
            self._prefix_cache.put(new, chosen, self._kept())

    def _kept(self) -> list[Tensor]:
        """What there is of each row beside keys and values."""
        return [self._length, self._means, self.states, *self._pools]

    def detached(self) -> Decoder:
        """The same without its LE and without what was read before, to be pickled.

        Whoever unpickles it sets ``le`` again.
        """
        twin = copy.copy(self)
        del twin.le
        twin._prefix_cache = None
        return twin

    @torch.inference_mode()
    def show(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Read one shown item a row: how much it is liked and how much it draws, float32 (N,)."""
        le = self.le
        visible = int(self._length.max()) + 1
        slots = self._slots[:visible].expand(len(actions), visible)
        position = self._length[:, None]
        allowed = (slots <= position)[:, None]
        place = position if le.is_ordered else torch.zeros_like(position)
        self._cache.aim(self._all_rows, self._length, visible)
        embedded = le.tables.tokens[actions[:, None]]
        self._hidden = le.backend(embedded, allowed, place, slots, self._cache)[:, 0]
        self._shown = actions
        appeal = le.appeal(self._hidden, self.states, actions)
        if not le.tells_liking:
            return appeal, appeal
        return le.liking(le.feelings(Pools(*self._pools)), actions), appeal

    @torch.inference_mode()
    def take(self, accepted: BoolArray) -> Tensor:
        """Keep the shown items of the rows that took them; the states after it."""
        if self._shown is None or self._hidden is None:
            raise SimulatorError("commit() comes after respond(): nothing has been shown yet")
        rows = np.flatnonzero(accepted)
        if len(rows):
            chosen = torch.from_numpy(rows).to(self.le.device)
            self._grow(chosen, self._shown[chosen], self._hidden[chosen])
            self._recent[rows, :-1] = self._recent[rows, 1:]
            self._recent[rows, -1] = self._shown[chosen].cpu().numpy()
            if self.le.tells_liking:
                self._values[rows, :-1] = self._values[rows, 1:]
                self._values[rows, -1] = np.nan
            before = self.window.start(self._total[rows])
            self._total[rows] += 1
            self._read(rows[self.window.start(self._total[rows]) != before])
        self._shown = self._hidden = None
        return self.states

    def _grow(self, rows: Tensor, items: Tensor, hidden: Tensor) -> None:
        heads = self.le.heads
        kept_shares = self._kept_shares[self._length[rows]]
        features = self.le.tables.features[items]
        means = heads.extend_means(self._means[rows], kept_shares, features)
        self._means.index_copy_(0, rows, means)
        # not in place: the caller may hold the states before
        self.states = self.states.index_copy(0, rows, heads.states(means, hidden))
        self._length.index_add_(0, rows, torch.ones_like(rows))
        if self._pools:
            grown = self.le.extended(Pools(*self._pools).at(rows), items)
            self._put_pools(rows, grown)

    def _put_pools(self, rows: Tensor, pools: Pools) -> None:
        for current, new in zip(self._pools, pools, strict=True):
            current[rows] = new

    def _read(self, rows: IntArray) -> None:
        """Read some rows' histories from their window's start on."""
        if len(rows) == 0:
            return
        le = self.le
        lengths = self._total[rows] - self.window.start(self._total[rows])
        trunks = [self._recent[row, -length:] for row, length in zip(rows, lengths, strict=True)]
        items, real = pad(trunks, le.device)
        chosen = torch.from_numpy(rows).to(le.device)
        self._cache.aim(chosen)
        values = None
        each = torch.arange(len(rows), device=le.device)
        if self._pools:
            pairs = zip(rows, lengths, strict=True)
            values = pad_values([self._values[row, -length:] for row, length in pairs], le.device)
            self._put_pools(chosen, le.pools(items, values).at(each, real - 1))
        hidden = le.read(items, real, values, self._cache)
        means = le.heads.means(le.tables.features[items])[each, real - 1]
        self._length[chosen] = real
        self._means[chosen] = means
        self.states = self.states.clone()
        self.states[chosen] = le.heads.states(means, hidden[each, real - 1])
