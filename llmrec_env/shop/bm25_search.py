"""Search by bm25s: one score a word and product, computed beforehand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.errors import DataError
from llmrec_env.common.extras import require
from llmrec_env.common.files import read_json, write_json
from llmrec_env.shop.stems import Cutter

MAX_HITS = 50
K1, B = 0.9, 0.4


class Bm25Search:
    """BM25 (k1 0.9, b 0.4) by bm25s: one score a word and product, computed beforehand.

    Robertson & Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009, in the
    variant of Lucene; Porter stems and Lucene's English stop words.

    Args:
        index: a ``bm25s.BM25`` over the rows of the catalogue.
        vocabulary: the number of each stem in it.
    """

    def __init__(self, index: Any, vocabulary: dict[str, int]) -> None:
        self._index = index
        self._vocabulary = vocabulary
        self._cut = Cutter()

    @classmethod
    def of(cls, documents: Iterable[str]) -> Bm25Search:
        """Index documents; the n-th is row n.

        Raises:
            MissingExtraError: bm25s or PyStemmer is not installed (extra ``shop``).
        """
        bm25s = require("bm25s", "shop")
        cut = Cutter()
        vocabulary: dict[str, int] = {}
        ids = []
        for text in documents:
            ids.append([vocabulary.setdefault(stem, len(vocabulary)) for stem in cut(text)])
        if not vocabulary:
            raise DataError("no product has a word to search for")
        index = bm25s.BM25(k1=K1, b=B, method="lucene")
        index.index((ids, vocabulary), create_empty_token=False, show_progress=False)
        return cls(index, vocabulary)

    def search(self, query: str, k: int = MAX_HITS) -> NDArray[np.int64]:
        """Rows of the best products, int64 (at most k,), best first; the earlier row at a tie."""
        known = self._vocabulary
        ids = [known[stem] for stem in self._cut(query) if stem in known]
        if not ids:
            return np.zeros(0, dtype=np.int64)
        scores = self._index.get_scores_from_ids(ids)
        best = np.arange(len(scores))
        if k < len(scores):
            # everything that scores at least as the k-th, so that ties are broken by row
            bound = scores[np.argpartition(scores, -k)[-k:]].min()
            best = np.flatnonzero(scores >= max(bound, np.finfo(scores.dtype).tiny))
        best = best[np.argsort(-scores[best], kind="stable")][:k]
        return best[scores[best] > 0.0].astype(np.int64)

    def save(self, folder: Path) -> None:
        """Write the index into a folder."""
        self._index.save(str(folder), show_progress=False)
        write_json(folder / "stems.json", list(self._vocabulary))

    @classmethod
    def open(cls, folder: Path) -> Bm25Search:
        """Map a saved index into memory; processes that open it share its pages."""
        bm25s = require("bm25s", "shop")
        index = bm25s.BM25.load(str(folder), mmap=True, load_vocab=False, show_progress=False)
        stems = read_json(folder / "stems.json")
        return cls(index, {stem: number for number, stem in enumerate(stems)})
