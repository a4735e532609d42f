"""``Decoder``: serves N users step by step, one token a shown item, with a key-value cache.

Every row has a length of its own. A shown item is written just past the row's end and read there;
where the user takes it the length grows by one, and where not the next item overwrites it, so a
refused item leaves no trace. So a step costs one token a user, in one pass for all of them, however
long their histories are; only where a full window moves is it read anew (by default 33 items, each
time 32 more were taken), and that beforehand, see :mod:`llmrec_env.language.read_ahead`.
docs/results/speed.md has the milliseconds. ::

    row 0   k0 k1 k2 k3 | a .          length 4, the action goes to slot 4
    row 1   k0 k1 | a . . .            length 2, the action goes to slot 2

With ``remember_skips`` a refused item stays, as a token that says so. Each shown item is then read
twice in the same pass, as itself and as skipped, and what came true is kept. It takes a place in
the window, and neither in the mean of features nor in the liking head's sums, which have a window
of taken items alone: what a user likes does not depend on it. ::

    row 0   k0 k1 k2 k3 | a a' .       length 4; where it is skipped, a' moves to slot 4
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
from llmrec_env.language.labelling import check_histories, cut_values, pad, pad_flags, pad_values
from llmrec_env.language.liking import Pools
from llmrec_env.language.prefix_cache import PrefixCache
from llmrec_env.language.read_ahead import ReadAhead
from llmrec_env.language.recent import Recent


class Decoder(KeepsArrays):
    """The LE in the middle of N histories; tensors in, tensors out.

    Args:
        le: who answers.
        histories: N item arrays, each with at least one item.
        values: beside each item how it was liked, on the LE's scale, NaN where unknown; None where
            nobody knows. What is taken later is read as unknown.
        remember_skips: whether items that are shown and not taken are read, too.

    Attributes:
        states: float32 (N, D), the users as they are now.

    Raises:
        SimulatorError: skips are to be remembered, and the LE never learned what they say.
    """

    @torch.inference_mode()
    def __init__(
        self,
        le: AnsweringLE,
        histories: Sequence[IntArray],
        values: Sequence[FloatArray] | None = None,
        remember_skips: bool = False,
    ) -> None:
        if remember_skips:
            check_reads_skips(le.reads_skips)
        self.le = le
        self.window = le.window
        n, device = len(histories), le.device
        self._remembers = remember_skips
        self._shown_tokens = 2 if remember_skips else 1
        self._ahead = ReadAhead(n)
        lanes = n + self._ahead.lanes
        self._cache = le.backend.new_cache(lanes, self.window.size + self._shown_tokens)
        self._read = Recent(n, self.window)
        self._taken = Recent(n, self.window) if remember_skips else self._read
        self._length = torch.zeros(lanes, dtype=torch.long, device=device)
        self._means = torch.zeros(n, len(le.heads.decays), le.state_size, device=device)
        self._rows = torch.arange(lanes, device=device)
        self._slots = torch.arange(self.window.size + 2, device=device)
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
        told = cut_values(self.le, histories, values, [-self.window.size] * len(rows))
        for place, (row, history) in enumerate(zip(rows, histories, strict=True)):
            own = None if told is None else told[place]
            self._read.put(row, history, own)
            self._taken.put(row, history, own)
        self._ahead.free(rows)
        if len(rows) == len(self._means):
            self._open(rows)
        else:
            self._reopen(rows, [self._name(row, h) for row, h in zip(rows, histories, strict=True)])
        return self.states

    def _name(self, row: int, history: IntArray) -> bytes:
        """What tells a history, with how its items were liked, from others."""
        name = np.asarray(history).tobytes()
        return name + self._read.values[row].tobytes() if self.le.tells_liking else name

    def _reopen(self, rows: IntArray, names: list[bytes]) -> None:
        """Read the histories of some rows, but for those that were read before."""
        if self._prefix_cache is None:
            self._prefix_cache = PrefixCache(self._cache, self._kept())
        known = np.array([self._prefix_cache.holds(name) for name in names])
        again = [name for name, k in zip(names, known, strict=True) if k]
        if again:
            chosen = self._tensor(rows[known])
            self.states = self.states.clone()
            taken = self._prefix_cache.take(again, chosen)
            for current, found in zip(self._kept(), taken, strict=True):
                current[chosen] = found
        if len(again) < len(names):
            self._open(rows[~known])
            new = [name for name, k in zip(names, known, strict=True) if not k]
            self._prefix_cache.put(new, self._tensor(rows[~known]), self._kept())

    def _open(self, rows: IntArray) -> None:
        """Read the histories of some rows."""
        self._pool(rows)
        chosen = self._tensor(rows)
        lengths = self._read.lengths(rows)
        hidden = self._fill(chosen, rows, lengths)
        self._length[chosen] = self._tensor(lengths)
        self._set_states(chosen, hidden)

    def _kept(self) -> list[Tensor]:
        """What there is of each row beside keys and values."""
        return [self._length, self._means, self.states, *self._pools]

    def _tensor(self, rows: IntArray) -> Tensor:
        return torch.from_numpy(rows).to(self.le.device)

    def detached(self) -> Decoder:
        """The same without its LE and without what was read before, to be pickled.

        Whoever unpickles it sets ``le`` again.
        """
        twin = copy.copy(self)
        del twin.le
        twin._prefix_cache = None
        return twin

    def show(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Read one shown item a row: how much it is liked and how much it draws, float32 (N,)."""
        likings, appeals = self.show_members(actions)
        return likings.mean(0), appeals.mean(0)

    @torch.inference_mode()
    def show_members(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """:meth:`show`, with what each member answers, (K, N); K is 1 where there are none."""
        le, n = self.le, len(self._means)
        owners = torch.cat([self._rows[:n], self._tensor(self._ahead.used)])
        length = self._length[: len(owners), None]
        places = length + self._slots[: self._shown_tokens]
        visible = int(length.max()) + self._shown_tokens
        slots = self._slots[:visible].expand(len(owners), visible)
        itself = slots[:, None] == places[..., None]
        allowed = (slots < length)[:, None] | itself
        where = length.expand_as(places) if le.is_ordered else torch.zeros_like(places)
        self._cache.aim(self._rows[: len(owners)], places, visible)
        embedded = self._embedded(actions[owners])
        keys = torch.minimum(slots, length)
        self._hidden = le.backend(embedded, allowed, where, keys, self._cache)
        self._shown = actions
        appeals = le.appeals(self._hidden[:n, 0], self.states, actions)
        if not le.tells_liking:
            return appeals, appeals
        return le.likings(le.feelings(Pools(*self._pools)), actions), appeals

    def _embedded(self, actions: Tensor) -> Tensor:
        """What is read of shown items (M,): each, and beside it, where skips count, as skipped."""
        items = actions[:, None]
        if not self._remembers:
            return self.le.tokens(items)
        skipped = self._slots[None, :2].expand(len(items), 2) == 1
        return self.le.tokens(items.expand(-1, 2), skipped=skipped)

    @torch.inference_mode()
    def take(self, accepted: BoolArray, skipped: BoolArray | None = None) -> Tensor:
        """Keep the shown items of the rows that took them; the states after it.

        Args:
            accepted: bool (N,).
            skipped: bool (N,), whose item is remembered as skipped, where skips are; all that did
                not take it where None.
        """
        if self._shown is None or self._hidden is None:
            raise SimulatorError("commit() comes after respond(): nothing has been shown yet")
        left = ~accepted if skipped is None else skipped & ~accepted
        rows = np.flatnonzero(accepted | left if self._remembers else accepted)
        if len(rows):
            self._take(np.flatnonzero(accepted))
            self._keep(rows, ~accepted[rows])
            self._begin_lanes()
        self._shown = self._hidden = None
        return self.states

    def _take(self, rows: IntArray) -> None:
        """The shown items join what ``rows`` took, in means and sums."""
        assert self._shown is not None
        if len(rows) == 0:
            return
        le, chosen = self.le, self._tensor(rows)
        items = self._shown[chosen]
        kept_shares = self._kept_shares[self._tensor(self._taken.lengths(rows))]
        features = le.tables.features[items]
        means = le.heads.extend_means(self._means[chosen], kept_shares, features)
        self._means.index_copy_(0, chosen, means)
        if self._pools:
            self._put_pools(chosen, le.extended(Pools(*self._pools).at(chosen), items))
        if self._remembers:
            moved = self._taken.append(rows, items.cpu().numpy(), np.zeros(len(rows), dtype=bool))
            self._pool(rows[moved])

    def _keep(self, rows: IntArray, skipped: BoolArray) -> None:
        """The shown items of ``rows`` stay in what is read, as taken or as skipped."""
        assert self._shown is not None
        assert self._hidden is not None
        chosen, branch = self._tensor(rows), self._tensor(skipped.astype(np.int64))
        lanes = self._ahead.of(rows)
        self._settle(rows[skipped], lanes[skipped])
        moved = self._read.append(rows, self._shown[chosen].cpu().numpy(), skipped)
        if not self._remembers:
            self._pool(rows[moved])
        hidden = self._hidden[chosen, branch]
        self._length.index_add_(0, chosen, torch.ones_like(chosen))
        going = self._tensor(lanes[lanes >= 0])
        self._length.index_add_(0, going, torch.ones_like(going))
        if moved.any():
            hidden = self._move(rows, moved, lanes, branch, hidden)
        self._set_states(chosen, hidden)

    def _settle(self, rows: IntArray, lanes: IntArray) -> None:
        """Of ``rows``, and in their lanes, what was read of the shown item as skipped counts."""
        own = self._tensor(np.concatenate([rows, lanes[lanes >= 0]]))
        if len(own):
            self._cache.move(own, self._length[own] + 1, self._length[own])

    def _move(
        self, rows: IntArray, moved: BoolArray, lanes: IntArray, branch: Tensor, hidden: Tensor
    ) -> Tensor:
        """Let the windows of some of ``rows`` move; ``hidden`` (M, H) as it is then."""
        assert self._hidden is not None
        ready, late = moved & (lanes >= 0), moved & (lanes < 0)
        if ready.any():
            own, theirs = self._tensor(rows[ready]), self._tensor(lanes[ready])
            self._cache.copy(own, self._cache, theirs)
            self._length[own] = self._length[theirs]
            at = self._tensor(np.flatnonzero(ready))
            hidden[at] = self._hidden[theirs, branch[at]]
            self._ahead.free(rows[ready])
        if late.any():
            own, lengths = self._tensor(rows[late]), self._read.lengths(rows[late])
            hidden[self._tensor(np.flatnonzero(late))] = self._fill(own, rows[late], lengths)
            self._length[own] = self._tensor(lengths)
        return hidden

    def _begin_lanes(self) -> None:
        """Read some rows from the next start of their windows on, where that is soon."""
        known = self._read.lengths(np.arange(len(self._means))) - self.window.block
        rows = self._ahead.due(self._read.left(), known)
        if len(rows):
            lanes = self._tensor(self._ahead.of(rows))
            self._fill(lanes, rows, known[rows])
            self._length[lanes] = self._tensor(known[rows])

    def _fill(self, into: Tensor, rows: IntArray, lengths: IntArray) -> Tensor:
        """Read the last items of ``rows`` into rows of the cache; the outputs at the last ones."""
        le = self.le
        cut, told, left = self._read.cut(rows, lengths)
        items, real = pad(cut, le.device)
        values = pad_values(told, le.device) if self._pools else None
        skipped = pad_flags(left, le.device) if self._remembers else None
        self._cache.aim(into)
        hidden = le.read(items, real, values, self._cache, skipped)
        return hidden[torch.arange(len(rows), device=le.device), real - 1]

    def _pool(self, rows: IntArray) -> None:
        """Means and sums of ``rows`` from what they took."""
        if len(rows) == 0:
            return
        le, chosen = self.le, self._tensor(rows)
        cut, told, _ = self._taken.cut(rows, self._taken.lengths(rows))
        items, real = pad(cut, le.device)
        each = torch.arange(len(rows), device=le.device)
        self._means[chosen] = le.heads.means(le.tables.features[items])[each, real - 1]
        if self._pools:
            values = pad_values(told, le.device)
            self._put_pools(chosen, le.pools(items, values).at(each, real - 1))

    def _put_pools(self, rows: Tensor, pools: Pools) -> None:
        for current, new in zip(self._pools, pools, strict=True):
            current[rows] = new

    def _set_states(self, rows: Tensor, hidden: Tensor) -> None:
        # not in place: the caller may hold the states before
        self.states = self.states.index_copy(
            0, rows, self.le.heads.states(self._means[rows], hidden)
        )


def check_reads_skips(reads_skips: bool) -> None:
    """Refuse to remember skips with an LE that never learned what they say.

    Raises:
        SimulatorError: it did not.
    """
    if not reads_skips:
        raise SimulatorError(
            "remember_skips=True: this LE never learned what a skipped item says; fit one with a "
            "language model and with LearningConfig.read_skips above 0, or leave remember_skips out"
        )
