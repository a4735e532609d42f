"""Tokenises texts into rows of token ids, and pads rows into a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def token_rows(
    texts: list[str], tokenizer: PreTrainedTokenizerBase, max_tokens: int
) -> list[list[int]]:
    """Token ids of each text, at most ``max_tokens``, ended by the end token where there is one.

    A special token that a text spells out, such as ``</s>``, is text like any other.
    """
    end = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
    encoded = tokenizer(
        texts,
        add_special_tokens=False,
        split_special_tokens=True,
        truncation=True,
        max_length=max_tokens - len(end),
    )["input_ids"]
    return [ids + end for ids in encoded]


def padded(rows: list[list[int]], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Right-padded ids int64 (B, T) and the mask of real places bool (B, T)."""
    width = max(1, max(len(row) for row in rows))
    ids = np.zeros((len(rows), width), dtype=np.int64)
    real = np.zeros((len(rows), width), dtype=bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        real[i, : len(row)] = True
    return torch.from_numpy(ids).to(device), torch.from_numpy(real).to(device)
