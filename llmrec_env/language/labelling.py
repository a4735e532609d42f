"""Labels a whole log with an LE: states, rewards, and rewards of other actions tried along it.

The LM is causal, so one pass over a sequence gives every state, and the reward of each logged item
at that item's own place: T tokens of work, not T prompts. Actions that were not taken branch off
the same pass, each seeing the history and itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.progress import progress_bar
from llmrec_env.common.wording import shown
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.windows import Chunks, chunk_log
from llmrec_env.language.answering import AnsweringLE

Head = Literal["liking", "acceptance"]
TOKENS = {"cpu": 2048}  # read in one pass: more fall out of a CPU's caches
MANY_TOKENS = 65_536  # elsewhere


@torch.inference_mode()
def label_log(
    le: AnsweringLE, log: InteractionLog, tokens: int | None = None
) -> tuple[FloatArray, FloatArray]:
    """States and likings of every interaction.

    Args:
        le: who answers.
        log: sequences of the LE's catalogue.
        tokens: items read in one pass; what suits the device where None.

    Returns:
        states float32 (n_interactions, D), after each interaction; likings float32
        (n_interactions,), of each interaction given what came before, NaN at each user's first.
    """
    states = np.zeros((len(log), le.state_size), dtype=np.float32)
    rewards = np.full(len(log), np.nan, dtype=np.float32)
    tokens = tokens or tokens_at_once(le.device)
    goes_on, given = log.row_goes_on, log_values(le, log)
    for chunks in _batches(chunk_log(log, le.window), tokens, "label the log"):
        items, lengths = _padded_items(log, chunks, le.device)
        values = _values(le, given, log, chunks)
        hidden = le.read(items, lengths, values)
        after = le.states(items, hidden)
        if values is not None:
            liking = le.liking(le.feelings(le.pools(items, values))[:, :-1], items[:, 1:])
        else:
            liking = le.appeal(hidden[:, 1:], after[:, :-1], items[:, 1:])
        (rows, owners), places = _answered(log, chunks)
        states[rows] = after[owners, places].cpu().numpy()
        more = goes_on[rows]
        rewards[rows[more] + 1] = liking[owners[more], places[more]].cpu().numpy()
    return states, rewards


@torch.inference_mode()
def branch_log(
    le: AnsweringLE,
    log: InteractionLog,
    actions: IntArray,
    tokens: int | None = None,
    head: Head = "liking",
) -> tuple[FloatArray, FloatArray]:
    """Answers about actions tried after every interaction, and the states had they been taken.

    Args:
        le: who answers.
        log: sequences of the LE's catalogue.
        actions: int64 (n_interactions, K); -1 stands for no action.
        tokens: items and actions read in one pass; what suits the device where None.
        head: what is answered, in (0, 1): how much the action is liked, or how much it draws.

    Returns:
        answers float32 (n_interactions, K), NaN for no action; states float32
        (n_interactions, K, D), zero for no action.
    """
    n_rows, k = actions.shape
    rewards = np.full((n_rows, k), np.nan, dtype=np.float32)
    states = np.zeros((n_rows, k, le.state_size), dtype=np.float32)
    tokens = tokens or tokens_at_once(le.device)
    chunks, features = chunk_log(log, le.window), le.tables.features
    given = log_values(le, log)
    for batch in _batches(chunks, max(1, tokens // (1 + k)), "try actions"):
        items, lengths = _padded_items(log, batch, le.device)
        (rows, owners), places = _answered(log, batch)
        tried, parents, slots = _by_owner(actions[rows], owners, places, len(batch))
        tried, parents = tried.to(le.device), parents.to(le.device)
        values = _values(le, given, log, batch)
        trunk, tips = le.read_branches(items, lengths, tried, parents, values)
        means = le.heads.means(features[items])
        row = torch.arange(len(batch), device=le.device)[:, None]
        before = le.heads.states(means, trunk)[row, parents]
        if values is not None and head == "liking":
            liking = le.liking(le.feelings(le.pools(items, values))[row, parents], tried)
        else:
            liking = le.appeal(tips, before, tried)
        kept_shares = le.heads.kept_shares((parents + 1).float())
        extended = le.heads.extend_means(means[row, parents], kept_shares, features[tried])
        after = le.heads.states(extended, tips)
        owner = np.repeat(owners, k)
        rewards[rows] = liking[owner, slots].cpu().numpy().reshape(-1, k)
        states[rows] = after[owner, slots].cpu().numpy().reshape(len(rows), k, -1)
    _reread_where_the_window_moves(le, log, actions, states, tokens, given)
    nothing = actions < 0
    rewards[nothing] = np.nan
    states[nothing] = 0.0
    return rewards, states


@torch.inference_mode()
def answer_candidates(
    le: AnsweringLE,
    histories: Sequence[IntArray],
    candidates: IntArray,
    tokens: int | None = None,
    values: Sequence[FloatArray] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Answers about C candidates of each history, in passes that share the history.

    Args:
        le: who answers.
        histories: N sequences of at least one item, oldest first.
        candidates: int64 (N, C).
        tokens: items and candidates read in one pass; what suits the device where None.
        values: beside each item how it was liked, on the LE's scale; None: nobody knows.

    Returns:
        How much they are liked and how much they draw, float32 (N, C) each, in (0, 1).

    Raises:
        SimulatorError: a history is empty.
    """
    likings, appeals = np.zeros((2, *candidates.shape), dtype=np.float32)
    tokens = tokens or tokens_at_once(le.device)
    check_histories(histories, le.n_items)
    starts = [int(le.window.start(np.asarray(len(history)))) for history in histories]
    trunks = [history[start:] for history, start in zip(histories, starts, strict=True)]
    told = cut_values(le, histories, values, starts)
    width = candidates.shape[1]
    group = max(1, tokens // (le.window.size + width))
    with progress_bar("score candidates", len(trunks)) as advance:
        for first in range(0, len(trunks), group):
            part = slice(first, min(first + group, len(trunks)))
            items, lengths = pad(trunks[part], le.device)
            tried = torch.tensor(candidates[part], device=le.device)
            parents = (lengths[:, None] - 1).expand_as(tried)
            known = None if told is None else pad_values(told[part], le.device)
            trunk, tips = le.read_branches(items, lengths, tried, parents, known)
            row = torch.arange(len(lengths), device=le.device)
            before = le.states(items, trunk)[row, lengths - 1][:, None]
            appeals[part] = le.appeal(tips, before, tried).cpu().numpy()
            if known is not None:
                feelings = le.feelings(le.pools(items, known).at(row, lengths - 1))
                likings[part] = le.liking(feelings[:, None], tried).cpu().numpy()
            advance(part.stop - part.start, "")
    return (likings if le.tells_liking else appeals), appeals


def log_values(le: AnsweringLE, log: InteractionLog) -> FloatArray | None:
    """How each interaction of a log was liked, float32 (n_interactions,); None if none is read."""
    return None if le.scale is None else le.scale.values(log)


def cut_values(
    le: AnsweringLE,
    histories: Sequence[IntArray],
    values: Sequence[FloatArray] | None,
    starts: Sequence[int],
) -> list[FloatArray] | None:
    """What is read of histories from their ``starts`` on: how each item was liked, or NaN."""
    if not le.tells_liking:
        return None
    if values is None:
        values = [np.full(len(history), np.nan, dtype=np.float32) for history in histories]
    return [own[start:] for own, start in zip(values, starts, strict=True)]


def tokens_at_once(device: torch.device) -> int:
    """How many tokens to read in one pass on a device."""
    return TOKENS.get(device.type, MANY_TOKENS)


def check_histories(histories: Sequence[IntArray], n_items: int) -> None:
    """Every history needs an item, since a state stands after one, and holds indices of items.

    Raises:
        SimulatorError: a history is empty, or holds something else.
    """
    empty = [row for row, history in enumerate(histories) if len(history) == 0]
    if empty:
        raise SimulatorError(
            f"history {empty[0]} is empty ({len(empty)} such); a user needs at least one item, "
            "from which the LE tells who they are"
        )
    check_items(np.concatenate([np.asarray(history) for history in histories]), n_items)


def check_items(items: NDArray[Any], n_items: int) -> None:
    """Items are told by their indices in the catalogue.

    Raises:
        SimulatorError: these are no integers, or there is no such item.
    """
    if items.dtype.kind not in "iu" or items.min() < 0 or items.max() >= n_items:
        raise SimulatorError(
            f"items are integers in [0, {n_items}), their rows in the catalogue; got "
            f"{shown(items)} (catalogue.index_of(ids) finds the rows of external ids)"
        )


def pad(sequences: Sequence[IntArray], device: torch.device) -> tuple[Tensor, Tensor]:
    """Right-padded items int64 (B, T) and lengths int64 (B,)."""
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    items = np.zeros((len(sequences), int(lengths.max())), dtype=np.int64)
    for row, sequence in enumerate(sequences):
        items[row, : len(sequence)] = sequence
    return torch.from_numpy(items).to(device), torch.from_numpy(lengths).to(device)


def pad_flags(flags: Sequence[BoolArray], device: torch.device) -> Tensor:
    """Right-padded flags bool (B, T), False where nothing stands."""
    padded = np.zeros((len(flags), max(map(len, flags))), dtype=np.bool_)
    for row, own in enumerate(flags):
        padded[row, : len(own)] = own
    return torch.from_numpy(padded).to(device)


def pad_values(values: Sequence[FloatArray], device: torch.device) -> Tensor:
    """Right-padded values float32 (B, T), NaN where nothing stands."""
    padded = np.full((len(values), max(map(len, values))), np.nan, dtype=np.float32)
    for row, own in enumerate(values):
        padded[row, : len(own)] = own
    return torch.from_numpy(padded).to(device)


def _batches(chunks: Chunks, tokens: int, description: str) -> Iterator[Chunks]:
    """Batches of chunks of similar width, each of at most ``tokens`` padded places."""
    order = np.argsort(chunks.widths, kind="stable")
    widths = chunks.widths[order]
    with progress_bar(description, int(widths.sum())) as advance:
        first = 0
        for last in range(1, len(widths) + 1):
            full = last == len(widths) or (last + 1 - first) * int(widths[last]) > tokens
            if full:
                yield chunks.take(order[first:last])
                advance(int(widths[first:last].sum()), "")
                first = last


def _padded_items(
    log: InteractionLog, chunks: Chunks, device: torch.device
) -> tuple[Tensor, Tensor]:
    widths = chunks.widths
    place = np.arange(int(widths.max()))
    first = log.offsets[chunks.users] + chunks.starts
    rows = first[:, None] + np.minimum(place, widths[:, None] - 1)
    items = np.where(place < widths[:, None], log.items[rows], 0)
    return torch.from_numpy(items).to(device), torch.from_numpy(widths).to(device)


def _values(
    le: AnsweringLE, given: FloatArray | None, log: InteractionLog, chunks: Chunks
) -> Tensor | None:
    if given is None:
        return None
    first = log.offsets[chunks.users] + chunks.starts
    pairs = zip(first, chunks.widths, strict=True)
    return pad_values([given[start : start + width] for start, width in pairs], le.device)


def _answered(log: InteractionLog, chunks: Chunks) -> tuple[tuple[IntArray, IntArray], IntArray]:
    """The log's rows that each chunk answers, which chunk it is, and the place in it."""
    counts = chunks.lasts - chunks.firsts + 1
    owners = np.repeat(np.arange(len(chunks)), counts)
    steps = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    steps = steps + chunks.firsts[owners] - 1
    return (log.offsets[chunks.users[owners]] + steps, owners), steps - chunks.starts[owners]


def _by_owner(
    actions: IntArray, owners: IntArray, places: IntArray, n_chunks: int
) -> tuple[Tensor, Tensor, IntArray]:
    """Lay the K actions of each step side by side in its chunk's row.

    Returns:
        actions and parents int64 (n_chunks, C), and the column of each action, in step order.
    """
    k = actions.shape[1]
    counts = np.bincount(owners, minlength=n_chunks) * k
    owner = np.repeat(owners, k)
    columns = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    tried = np.zeros((n_chunks, int(counts.max())), dtype=np.int64)
    parents = np.zeros_like(tried)
    tried[owner, columns] = np.maximum(actions, 0).ravel()
    parents[owner, columns] = np.repeat(places, k)
    return torch.from_numpy(tried), torch.from_numpy(parents), columns


def _reread_where_the_window_moves(
    le: AnsweringLE,
    log: InteractionLog,
    actions: IntArray,
    states: FloatArray,
    tokens: int,
    given: FloatArray | None,
) -> None:
    """States after actions whose taking moves the window: those are read from the new start."""
    window = le.window
    steps = log.row_positions + 1
    moved = np.flatnonzero(window.start(steps) != window.start(steps + 1))
    group = max(1, tokens // window.size)
    pairs = [(row, j) for row in moved for j in range(actions.shape[1]) if actions[row, j] >= 0]
    for first in range(0, len(pairs), group):
        part = pairs[first : first + group]
        taken, told = [], []
        for row, j in part:
            begin = row + 1 - steps[row] + int(window.start(steps[row] + 1))
            taken.append(np.append(log.items[begin : row + 1], actions[row, j]))
            if given is not None:
                told.append(np.append(given[begin : row + 1], np.float32(np.nan)))
        items, lengths = pad(taken, le.device)
        values = pad_values(told, le.device) if given is not None else None
        after = le.states(items, le.read(items, lengths, values))
        last = after[torch.arange(len(part), device=le.device), lengths - 1]
        for (row, j), state in zip(part, last.cpu().numpy(), strict=True):
            states[row, j] = state
