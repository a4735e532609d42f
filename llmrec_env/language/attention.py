"""Attention masks for an LE's reading of histories and of actions that branch off them.

trunk      x1 x2 x3                  each item sees itself and what came before
branches   x1 x2 x3 | a1 a2 a3       an action after x_t sees x1..xt and itself only
decoding   cache of N rows | a       one new item a row sees that row's valid keys and itself
"""

from __future__ import annotations

import torch
from torch import Tensor


def trunk_mask(lengths: Tensor, width: int) -> Tensor:
    """Causal reading of right-padded rows: bool (B, width, width) from lengths int64 (B,).

    A padded query sees key 0 only, so that no softmax is over nothing.
    """
    place = torch.arange(width, device=lengths.device)
    causal = place[None, :] <= place[:, None]
    real = place[None, :] < lengths[:, None]
    mask = causal[None] & real[:, None, :]
    mask[:, :, 0] = True
    return mask


def branch_mask(lengths: Tensor, width: int, parents: Tensor) -> Tensor:
    """Reading of a trunk of ``width`` items followed by actions that branch off it.

    Args:
        lengths: int64 (B,), real items of each row's trunk.
        width: padded width of the trunk.
        parents: int64 (B, C), the trunk position after which each action is tried.

    Returns:
        bool (B, width + C, width + C).
    """
    rows, branches = parents.shape
    mask = torch.zeros(
        rows, width + branches, width + branches, dtype=torch.bool, device=parents.device
    )
    mask[:, :width, :width] = trunk_mask(lengths, width)
    place = torch.arange(width, device=parents.device)
    mask[:, width:, :width] = place[None, None, :] <= parents[:, :, None]
    itself = torch.arange(branches, device=parents.device)
    mask[:, width + itself, width + itself] = True
    return mask
