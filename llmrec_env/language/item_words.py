"""``ItemWords``: each item's tf-idf weighted words, which correct its features in the LE.

Behind a small language model the mean of a text's outputs blurs single words. So the item features
get a learned correction, linear in the item's tf-idf weighted tokens, which begins at zero. It
depends on the text alone: an item that nobody has seen yet is read like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from llmrec_env.data.catalogue import Catalogue
from llmrec_env.language.lm.tokenization import token_rows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class ItemWords:
    """Tokens of all items in one flat list; item ``i`` owns places ``offsets[i]`` to the next.

    Attributes:
        ids: int64 (n_tokens,), numbers of the tokens that occur in the catalogue, from 0.
        weights: float32 (n_tokens,), tf-idf, of unit length within an item.
        offsets: int64 (n_items,).
    """

    ids: Tensor
    weights: Tensor
    offsets: Tensor

    @property
    def size(self) -> int:
        """Number of different tokens."""
        return int(self.ids.max()) + 1 if len(self.ids) else 0

    def take(self, items: Tensor) -> ItemWords:
        """The words of some items, int64 (M,), in that order."""
        ends = torch.cat([self.offsets[1:], self.offsets.new_tensor([len(self.ids)])])
        lengths = ends[items] - self.offsets[items]
        first = torch.cumsum(lengths, 0) - lengths
        places = torch.arange(int(lengths.sum()), device=items.device)
        places = places + torch.repeat_interleave(self.offsets[items] - first, lengths)
        return ItemWords(self.ids[places], self.weights[places], first)

    @classmethod
    def of(
        cls, catalogue: Catalogue, tokenizer: PreTrainedTokenizerBase, max_tokens: int = 64
    ) -> ItemWords:
        """The words of a catalogue's sentences."""
        texts = token_rows(catalogue.sentences, tokenizer, max_tokens)
        rows = [np.unique(np.array(row, dtype=np.int64), return_counts=True) for row in texts]
        flat = np.concatenate([ids for ids, _ in rows])
        _, numbers, frequency = np.unique(flat, return_inverse=True, return_counts=True)
        counts = np.concatenate([count for _, count in rows])
        weights = (1 + np.log(counts)) * np.log((1 + len(rows)) / frequency[numbers])
        lengths = np.array([len(ids) for ids, _ in rows])
        owner = np.repeat(np.arange(len(rows)), lengths)
        norms = np.sqrt(np.bincount(owner, weights**2, minlength=len(rows)))
        return cls(
            torch.from_numpy(numbers.astype(np.int64)),
            torch.from_numpy((weights / norms[owner].clip(1e-9)).astype(np.float32)),
            torch.from_numpy((np.cumsum(lengths) - lengths).astype(np.int64)),
        )

    @classmethod
    def none(cls, n_items: int) -> ItemWords:
        """No words at all, for catalogues without text."""
        nothing = torch.zeros(0, dtype=torch.long)
        return cls(nothing, torch.zeros(0), torch.zeros(n_items, dtype=torch.long))
