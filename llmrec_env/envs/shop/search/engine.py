"""What is searched of a product, and the choice of engine for a catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.catalogue.products import Product, ProductCatalogue
from llmrec_env.envs.text.bm25 import Bm25Search
from llmrec_env.envs.text.engine import SearchEngine
from llmrec_env.envs.text.tantivy_index import TantivySearch

LARGE = 100_000
"""Catalogues above it are searched by tantivy, which reads what has the rarest words."""


def document(product: Product) -> str:
    """What is searched of a product: title, description, first feature, options; lower case."""
    options = ", and ".join(
        f"{name}: {', '.join(values)}" for name, values in product.options.items()
    )
    first = product.bullets[0] if product.bullets else ""
    return " ".join((product.name, product.description, first, options)).lower()


def build_search(catalogue: ProductCatalogue, folder: Path | None = None) -> SearchEngine:
    """Index a catalogue, in memory or in a folder; a large one always lies in a folder.

    Raises:
        MissingExtraError: a library of the extra ``shop`` is not installed.
    """
    if len(catalogue) > LARGE:
        if folder is None:
            raise SettingError(f"{len(catalogue)} products are indexed in a folder: name one")
        rows = _alike_together(catalogue)
        return TantivySearch.build((document(catalogue[row]) for row in rows), folder, rows)
    engine = Bm25Search.of(document(product) for product in catalogue)
    if folder is None:
        return engine
    folder.mkdir(parents=True, exist_ok=True)
    engine.save(folder)
    return Bm25Search.open(folder)


def open_search(catalogue: ProductCatalogue, folder: Path) -> SearchEngine:
    """The index that :func:`build_search` wrote for a catalogue of this size."""
    return TantivySearch(folder) if len(catalogue) > LARGE else Bm25Search.open(folder)


def _alike_together(catalogue: ProductCatalogue) -> list[int]:
    """All rows, by department and by what the products are."""
    kinds, departments = catalogue.arrays["query"], catalogue.arrays["category"]
    rows: list[int] = np.lexsort((kinds, departments)).tolist()
    return rows
