"""``Bm25Search``: the search engine of small catalogues, BM25 by bm25s."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from llmrec_env.common.arrays import Float64Array, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.extras import require
from llmrec_env.common.files import read_json, write_json
from llmrec_env.envs.text.analyzer import Analyzer

MAX_HITS = 50
"""Hits of a search, unless a caller asks for another number."""
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
        self._analyzer = Analyzer()
        entries = index.scores
        self._starts: list[int] = np.asarray(entries["indptr"]).tolist()
        # plain views: slices of a memory map would each be a memory map again
        self._rows = np.asarray(entries["indices"])
        self._weights = np.asarray(entries["data"])
        self._n_rows = int(entries["num_docs"])

    @classmethod
    def of(cls, documents: Iterable[str]) -> Bm25Search:
        """Index documents; the n-th is row n.

        Raises:
            MissingExtraError: bm25s or PyStemmer is not installed (extra ``shop``).
        """
        bm25s = _bm25s()
        analyzer = Analyzer()
        vocabulary: dict[str, int] = {}
        ids = []
        for text in documents:
            ids.append([vocabulary.setdefault(stem, len(vocabulary)) for stem in analyzer(text)])
        if not vocabulary:
            raise DataError("no product has a word to search for")
        index = bm25s.BM25(k1=K1, b=B, method="lucene")
        index.index((ids, vocabulary), create_empty_token=False, show_progress=False)
        return cls(index, vocabulary)

    def search(self, query: str, k: int = MAX_HITS) -> IntArray:
        """Rows of the best products, int64 (at most k,), best first; the earlier row at a tie."""
        known = self._vocabulary
        ids = [known[stem] for stem in self._analyzer(query) if stem in known]
        if not ids:
            return np.zeros(0, dtype=np.int64)
        scores = self._scores(ids)
        best = np.flatnonzero(scores)
        if k < len(best):
            matched = scores[best]
            # all that score at least as the k-th, so that ties are broken by row
            best = best[matched >= np.partition(matched, -k)[-k]]
        return best[np.argsort(-scores[best], kind="stable")[:k]]

    def _scores(self, ids: list[int]) -> Float64Array:
        """What ``get_scores_from_ids`` of bm25s adds up, in one pass over all words' entries."""
        spans = [slice(self._starts[i], self._starts[i + 1]) for i in ids]
        rows = np.concatenate([self._rows[span] for span in spans])
        weights = np.concatenate([self._weights[span] for span in spans])
        scores = np.bincount(rows, weights=weights, minlength=self._n_rows)
        return scores.astype(np.float64, copy=False)

    def save(self, folder: Path) -> None:
        """Write the index into a folder."""
        self._index.save(str(folder), show_progress=False)
        write_json(folder / "stems.json", list(self._vocabulary))

    @classmethod
    def open(cls, folder: Path) -> Bm25Search:
        """Map a saved index into memory; processes that open it share its pages."""
        bm25s = _bm25s()
        index = bm25s.BM25.load(str(folder), mmap=True, load_vocab=False, show_progress=False)
        stems = read_json(folder / "stems.json")
        return cls(index, {stem: number for number, stem in enumerate(stems)})


def _bm25s() -> Any:
    """The library, without what importing and using it would change for the whole process.

    scipy adds a filter of warnings, and the lock of tqdm's bars, of which none is shown, would
    fix the start method of multiprocessing.
    """
    with warnings.catch_warnings():
        library = require("bm25s", "shop")
    lock = require("tqdm.std", "shop").TqdmDefaultWriteLock
    if not hasattr(lock, "mp_lock"):
        methods = multiprocessing.get_all_start_methods()
        method = "fork" if "fork" in methods else methods[0]
        lock.mp_lock = multiprocessing.get_context(method).RLock()
    return library
