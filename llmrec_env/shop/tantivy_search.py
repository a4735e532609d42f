"""Search by tantivy: an index on disk of which a query reads only what can come first."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.extras import require
from llmrec_env.shop.stems import Cutter

MAX_HITS = 50


class TantivySearch:
    """BM25 by tantivy, on disk: a query reads only documents that can be among the best.

    Tantivy's own k1 1.2 and b 0.75; the stems are those of :class:`Bm25Search`.

    Args:
        folder: where :meth:`build` wrote the index.
    """

    def __init__(self, folder: Path) -> None:
        tantivy = require("tantivy", "shop")
        self._folder = folder
        self._tantivy = tantivy
        self._index = tantivy.Index.open(str(folder))
        self._schema = self._index.schema
        self._searcher = self._index.searcher()
        self._cut = Cutter()

    @classmethod
    def build(cls, documents: Iterable[str], folder: Path) -> TantivySearch:
        """Index documents into an empty folder; the n-th is row n.

        Raises:
            MissingExtraError: tantivy is not installed (extra ``shop``).
        """
        tantivy = require("tantivy", "shop")
        folder.mkdir(parents=True, exist_ok=True)
        builder = tantivy.SchemaBuilder()
        builder.add_text_field(
            "text", stored=False, tokenizer_name="whitespace", index_option="freq"
        )
        builder.add_integer_field("row", fast=True, stored=True, indexed=False)
        index = tantivy.Index(builder.build(), path=str(folder))
        writer = index.writer(heap_size=256_000_000, num_threads=1)
        cut = Cutter()
        for row, text in enumerate(documents):
            writer.add_document(tantivy.Document(text=" ".join(cut(text)), row=row))
        writer.commit()
        writer.wait_merging_threads()
        return cls(folder)

    def search(self, query: str, k: int = MAX_HITS) -> NDArray[np.int64]:
        """Rows of the best products, int64 (at most k,), best first."""
        stems = dict.fromkeys(self._cut(query))
        if not stems:
            return np.zeros(0, dtype=np.int64)
        tantivy, schema = self._tantivy, self._schema
        terms = [
            (tantivy.Occur.Should, tantivy.Query.term_query(schema, "text", stem, "freq"))
            for stem in stems
        ]
        hits = self._searcher.search(tantivy.Query.boolean_query(terms), k, count=False).hits
        return np.array([self._searcher.doc(place)["row"][0] for _, place in hits], dtype=np.int64)
