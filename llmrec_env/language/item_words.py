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

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.files import fingerprint
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.language.lm.tokenization import token_rows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The tokens that some texts hold: the words of an LE, and how common they are.

    Attributes:
        tokens: int64 (n_words,), rising; a word's number is its place here.
        counts: int64 (n_words,), texts that hold it.
        n_texts: how many texts there are.
    """

    tokens: Tensor
    counts: Tensor
    n_texts: int

    @classmethod
    def of(cls, rows: list[list[int]]) -> Vocabulary:
        """The tokens of texts."""
        held = [np.unique(np.array(row, dtype=np.int64)) for row in rows]
        tokens, counts = np.unique(np.concatenate(held), return_counts=True)
        return cls(torch.from_numpy(tokens), torch.from_numpy(counts.astype(np.int64)), len(rows))

    @property
    def key(self) -> str:
        """A short name of what it holds."""
        parts = [self.tokens.cpu().numpy().tobytes(), self.counts.cpu().numpy().tobytes()]
        return fingerprint([*parts, str(self.n_texts)])

    def numbers(self, tokens: IntArray) -> IntArray:
        """The number of each token int64 (n,), -1 where no text holds it."""
        known = self.tokens.cpu().numpy()
        places = np.minimum(np.searchsorted(known, tokens), max(0, len(known) - 1))
        found = known[places] == tokens if len(known) else np.zeros(len(tokens), dtype=bool)
        return np.where(found, places, -1).astype(np.int64)


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
        cls,
        catalogue: Catalogue,
        tokenizer: PreTrainedTokenizerBase,
        max_tokens: int = 64,
        vocabulary: Vocabulary | None = None,
    ) -> ItemWords:
        """The words of a catalogue's sentences.

        Args:
            catalogue: the items.
            tokenizer: parts their texts into tokens.
            max_tokens: tokens of a text that are read.
            vocabulary: words that are known, of other items; a token that is none of them weighs as
                the rarest and is left out. None: the tokens of these items.
        """
        texts = token_rows(catalogue.sentences, tokenizer, max_tokens)
        known = Vocabulary.of(texts) if vocabulary is None else vocabulary
        rows = [np.unique(np.array(row, dtype=np.int64), return_counts=True) for row in texts]
        numbers = known.numbers(np.concatenate([ids for ids, _ in rows]))
        frequency = np.where(numbers < 0, 1, known.counts.cpu().numpy()[numbers])
        counts = np.concatenate([count for _, count in rows])
        weights = (1 + np.log(counts)) * np.log((1 + known.n_texts) / frequency)
        owner = np.repeat(np.arange(len(rows)), [len(ids) for ids, _ in rows])
        norms = np.sqrt(np.bincount(owner, weights**2, minlength=len(rows)))
        weights = weights / norms[owner].clip(1e-9)
        kept = numbers >= 0
        lengths = np.bincount(owner[kept], minlength=len(rows))
        return cls(
            torch.from_numpy(numbers[kept]),
            torch.from_numpy(weights[kept].astype(np.float32)),
            torch.from_numpy((np.cumsum(lengths) - lengths).astype(np.int64)),
        )

    def followed_by(self, others: ItemWords) -> ItemWords:
        """The words of these items and, after them, of others."""
        return ItemWords(
            torch.cat([self.ids, others.ids]),
            torch.cat([self.weights, others.weights]),
            torch.cat([self.offsets, others.offsets + len(self.ids)]),
        )

    @classmethod
    def none(cls, n_items: int) -> ItemWords:
        """No words at all, for catalogues without text."""
        nothing = torch.zeros(0, dtype=torch.long)
        return cls(nothing, torch.zeros(0), torch.zeros(n_items, dtype=torch.long))
