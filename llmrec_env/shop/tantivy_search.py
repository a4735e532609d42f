"""Search by tantivy: an index on disk, of which a query reads what has its rarest words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.extras import require
from llmrec_env.shop.stems import Cutter

MAX_HITS = 50
MAX_CANDIDATES = 10_000
"""Products that a search scores in full where its words allow it: exact up to so many products."""


class TantivySearch:
    """BM25 by tantivy, on disk, over the products that have the query's rarest words.

    Tantivy's own k1 1.2 and b 0.75; the stems are those of :class:`Bm25Search`.

    In an index of at most ``max_candidates`` products, every product with one of the words is
    scored. In a larger one the rarest words are required, one after the other, until at most so
    many products have them all; the other words count where they stand. A word is not required if
    fewer products than are asked for have it along with those before it: these few are scored
    besides.

    Args:
        folder: where :meth:`build` wrote the index.
        max_candidates: see above; at least 1.
    """

    def __init__(self, folder: Path, max_candidates: int = MAX_CANDIDATES) -> None:
        tantivy = require("tantivy", "shop")
        self._query = tantivy.Query
        self._must, self._should = tantivy.Occur.Must, tantivy.Occur.Should
        index = tantivy.Index.open(str(folder))
        self._schema = index.schema
        self._searcher = index.searcher()
        self._max_candidates = max_candidates
        self._cut = Cutter()

    @classmethod
    def build(
        cls, documents: Iterable[str], folder: Path, rows: Iterable[int] | None = None
    ) -> TantivySearch:
        """Index documents into an empty folder.

        Args:
            documents: what is searched. Where those that are alike follow one another, a search
                skips the others in large steps.
            folder: where the index goes.
            rows: the row of each document; None where the n-th is row n.

        Raises:
            MissingExtraError: tantivy is not installed (extra ``shop``).
        """
        tantivy = require("tantivy", "shop")
        folder.mkdir(parents=True, exist_ok=True)
        builder = tantivy.SchemaBuilder()
        builder.add_text_field(
            "text", stored=False, tokenizer_name="whitespace", index_option="freq"
        )
        builder.add_integer_field("row", fast=True, stored=False, indexed=False)
        index = tantivy.Index(builder.build(), path=str(folder))
        writer = index.writer(heap_size=256_000_000, num_threads=1)
        cut = Cutter()
        # rows may be endless
        for text, row in zip(documents, count() if rows is None else rows, strict=False):
            writer.add_document(tantivy.Document(text=" ".join(cut(text)), row=row))
        writer.commit()
        writer.wait_merging_threads()
        return cls(folder)

    def search(self, query: str, k: int = MAX_HITS) -> NDArray[np.int64]:
        """Rows of the best products, int64 (at most k,), best first; the earlier row at a tie."""
        n_having = {stem: self._searcher.doc_freq("text", stem) for stem in self._cut(query)}
        words = sorted((stem for stem, n in n_having.items() if n), key=n_having.__getitem__)
        if not words:
            return np.zeros(0, dtype=np.int64)
        required: list[str] = []
        found: dict[int, float] = {}
        candidates = self._searcher.num_docs
        for word in words:
            if candidates <= self._max_candidates:
                break
            having = [*required, word]
            n = self._count(having) if required else n_having[word]
            if n < k:
                found |= self._best(having, words, k)
            else:
                required, candidates = having, n
        found |= self._best(required, words, k)
        best = sorted(found, key=lambda row: (-found[row], row))[:k]
        return np.array(best, dtype=np.int64)

    def _best(self, required: Sequence[str], words: Sequence[str], k: int) -> dict[int, float]:
        """Scores by row of the best products that have the required words, at most k."""
        parts = [
            (self._must if word in required else self._should, self._term(word)) for word in words
        ]
        hits = self._searcher.search(self._query.boolean_query(parts), k, count=False).hits
        rows = self._searcher.fast_field_values("row", [place for _, place in hits])
        return {row: score for row, (score, _) in zip(rows, hits, strict=True)}

    def _count(self, required: Sequence[str]) -> int:
        """How many products have all the required words."""
        # nothing is to be scored: the scores need the lengths of all these documents
        parts = [
            (self._must, self._query.const_score_query(self._term(word), 0.0)) for word in required
        ]
        return int(self._searcher.search(self._query.boolean_query(parts), 1, count=True).count)

    def _term(self, word: str) -> Any:
        return self._query.term_query(self._schema, "text", word, "freq")
