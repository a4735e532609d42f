"""Prompts with all their completions in one pass of a language model.

Each row is a prompt, padded on the left so that all end in the same column, and its completions one
after the other. A completion sees the prompt and its own beginning, and its positions go on from
the prompt's end, as if it stood there alone:

    .. P P P | a a | b b b | c ..        a, b, c: completions without their last tokens
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

PADDING = -1


class Packed(NamedTuple):
    """A batch of N rows, L columns, T completion tokens in all.

    Attributes:
        ids: int64 (N, L).
        positions: int64 (N, L).
        allowed: bool (N, L, L), whether a token may read another; padding reads itself.
        tail: the number of columns after the prompts.
        rows, columns: int64 (T,), where each completion token is foretold; columns count from the
            prompts' last one.
        targets: int64 (T,), the completion tokens.
        owners: int64 (T,), which completion of the batch each belongs to, by place: row * A + i,
            where A is the largest number of completions of a row.
    """

    ids: Tensor
    positions: Tensor
    allowed: Tensor
    tail: int
    rows: Tensor
    columns: Tensor
    targets: Tensor
    owners: Tensor


def pack(
    prompts: Sequence[list[int]],
    completions: Sequence[list[list[int]]],
    device: torch.device | str = "cpu",
) -> Packed:
    """Lay out a batch.

    Args:
        prompts: token ids of each row's prompt, one or more.
        completions: of each row, token ids of each of its completions, one or more.
        device: where the tensors go.
    """
    head = max(map(len, prompts))
    tail = max(sum(len(c) - 1 for c in row) for row in completions)
    most = max(map(len, completions))
    shape = len(prompts), head + tail
    ids, positions = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    part = np.full(shape, PADDING, np.int64)  # 0 the prompt, i + 1 the i-th completion
    told: list[tuple[int, int, int, int]] = []
    for row, (prompt, said) in enumerate(zip(prompts, completions, strict=True)):
        n = len(prompt)
        ids[row, head - n : head] = prompt
        positions[row, head - n : head] = np.arange(n)
        part[row, head - n : head] = 0
        at = head
        for i, tokens in enumerate(said):
            inner = slice(at, at + len(tokens) - 1)
            ids[row, inner] = tokens[:-1]
            positions[row, inner] = np.arange(n, n + len(tokens) - 1)
            part[row, inner] = i + 1
            owner = row * most + i
            told.append((row, 0, tokens[0], owner))
            told += [(row, at - head + k, token, owner) for k, token in enumerate(tokens[1:], 1)]
            at += len(tokens) - 1
    where = torch.tensor(told, dtype=torch.int64, device=device).T
    return Packed(
        torch.from_numpy(ids).to(device),
        torch.from_numpy(positions).to(device),
        _allowed(torch.from_numpy(part).to(device)),
        tail,
        *where,
    )


def _allowed(part: Tensor) -> Tensor:
    """Which token may read which, from the part of the row that each belongs to, int64 (N, L)."""
    place = torch.arange(part.shape[1], device=part.device)
    query, key = part[:, :, None], part[:, None, :]
    mask = (place[:, None] >= place) & ((key == 0) | (key == query)) & (key != PADDING)
    return mask | (place[:, None] == place)  # no softmax is over nothing
