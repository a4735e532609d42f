"""``Catalogue``: the items that can be recommended, with their texts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.checks import check_indices, check_kind
from llmrec_env.common.errors import DataError
from llmrec_env.common.files import atomic_path, fingerprint
from llmrec_env.common.forking import fork_safe
from llmrec_env.common.wording import shown
from llmrec_env.data.parquet import read_parquet
from llmrec_env.data.repeated_sentences import repeated_sentences, without_sentences
from llmrec_env.data.values import as_ids

# The words that introduce each well-known column in an item's sentence, in the sentence's order;
# other columns use their name and come before the description, which may be long and cut off.
PHRASES = {
    "title": "is titled",
    "artist": "its artist is",
    "album": "from album",
    "category": "in category",
    "genres": "of genre",
    "tags": "tagged",
    "brand": "by brand",
    "description": "described as",
}


PART = "part_of"
"""The column that names the catalogue that an item is of, where several were joined."""

OF_ITEMS = "catalogue.index_of(ids) finds the indices of external ids"
INVISIBLE = r"[\p{Default_Ignorable_Code_Point}\x{2800}\x{FFF9}-\x{FFFB}]"
"""Zero-width and bidirectional marks, soft hyphens, variation selectors, fillers, tags, …"""
BLANKS = r"[\s\p{Cc}]+"


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Items with their text; the row of an item is its index, 0 to ``len(catalogue) - 1``.

    Attributes:
        table: a polars frame with the String column ``item_id`` (unique, external ids) and any
            number of String text columns (``title``, ``category``, ``brand``, ``description``, …);
            a missing text is the empty string. ``part_of`` is no text: it names the catalogue that
            an item is of, where several were joined (:func:`llmrec_env.data.joined.join_logs`).
    """

    table: pl.DataFrame

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _checked(self.table))

    def __len__(self) -> int:
        return self.table.height

    @property
    def ids(self) -> list[str]:
        """External ids in index order."""
        return self.table["item_id"].to_list()

    @cached_property
    def fingerprint(self) -> str:
        """A short name made from the ids in their order: 16 hex digits, the same in every process.

        Texts do not count: an item index means the same item wherever the fingerprint is the same.
        """
        return fingerprint(self.ids)

    @cached_property
    def titles(self) -> list[str]:
        """One short name an item: its title, or its id where it has none."""
        if "title" not in self.table.columns:
            return self.ids
        return [
            title or f"item {i}" for title, i in zip(self.table["title"], self.ids, strict=True)
        ]

    @property
    def text_columns(self) -> list[str]:
        """The columns that hold text, in the order in which a sentence names them."""
        names = [name for name in self.table.columns if name not in ("item_id", PART)]
        order = [name for name in PHRASES if name != "description"]
        known = [name for name in order if name in names]
        others = [name for name in names if name not in PHRASES]
        return known + others + [name for name in names if name == "description"]

    @cached_property
    def sentences(self) -> list[str]:
        """What is written about each item, as one line; the empty string where nothing is.

        This is the text that an item token learns to generate (LE paper, the ``S*`` template).
        Characters that nobody sees are left out, and white space and control characters are single
        blanks, so that two texts which look the same are read as the same. So are sentences that
        many titles hold (:mod:`llmrec_env.data.repeated_sentences`).
        """
        if len(self.parts) == 1:
            return _sentences(self)
        written = np.empty(len(self), dtype=object)
        for rows in self.parts:  # what is repeated in one catalogue may say something in another
            part = self.take(rows)
            written[rows] = _sentences(part)
        return written.tolist()

    @cached_property
    def repeated_sentences(self) -> dict[str, int]:
        """Sentences that are not read, each with the number of titles that hold it."""
        if "title" not in self.table.columns:
            return {}
        return _repeated(self)

    @cached_property
    def parts(self) -> list[IntArray]:
        """The items of each catalogue that was joined to this one, int64; all in one where none."""
        if PART not in self.table.columns:
            return [np.arange(len(self))]
        names = self.table[PART].to_numpy()
        return [np.flatnonzero(names == name) for name in sorted(set(names))]

    @cached_property
    def has_text(self) -> bool:
        """Whether any item has any text."""
        return any(self.sentences)

    @cached_property
    def _index(self) -> pl.DataFrame:
        return self.table.select("item_id").with_row_index("index")

    @fork_safe
    def index_of(self, ids: Iterable[str] | pl.Series) -> IntArray:
        """Indices of external ids.

        Args:
            ids: several ids, each a text.

        Returns:
            int64, one for each of them.

        Raises:
            DataError: an id is not in the catalogue, or these are no texts.
        """
        wanted = pl.DataFrame({"item_id": _as_texts_given(ids)})
        found = wanted.join(self._index, on="item_id", how="left", maintain_order="left")
        unknown = found.filter(pl.col("index").is_null())
        if unknown.height:
            raise DataError(
                f"unknown item id {shown(unknown['item_id'][0])} ({unknown.height} such rows): "
                f"the catalogue has {len(self)} items and this is none of them"
            )
        return found["index"].cast(pl.Int64).to_numpy().copy()

    def take(self, indices: Sequence[int] | IntArray) -> Catalogue:
        """The catalogue of the items at ``indices``, in that order.

        Raises:
            DataError: there is no such item.
        """
        rows = np.atleast_1d(check_indices("indices of items", indices, len(self), OF_ITEMS))
        return Catalogue(pl.DataFrame([column[rows] for column in self.table]))

    def read_as_here(self, indices: Sequence[int] | IntArray) -> Catalogue:
        """Some items as :meth:`take` gives them, their sentences as they are in this catalogue.

        Which sentences many titles repeat is told by all titles, and not by a few.

        Raises:
            DataError: there is no such item.
        """
        some = self.take(indices)
        some.__dict__["sentences"] = [self.sentences[int(index)] for index in indices]
        return some

    @fork_safe
    def followed_by(self, items: Catalogue) -> Catalogue:
        """These items and, after them, others, each with the texts that it has.

        Raises:
            DataError: an item is in both.
        """
        both = items.table["item_id"].filter(items.table["item_id"].is_in(self.ids))
        if len(both):
            raise DataError(
                f"item id {shown(both[0])} is in the catalogue already ({len(both)} such of "
                f"{len(items)} new items); leave out what is known"
            )
        return Catalogue(pl.concat([self.table, items.table], how="diagonal"))

    @fork_safe
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the catalogue as parquet."""
        with atomic_path(path) as temporary:
            self.table.write_parquet(temporary)

    @classmethod
    @fork_safe
    def load(cls, path: str | os.PathLike[str]) -> Catalogue:
        """Read a catalogue that :meth:`save` wrote."""
        return cls(read_parquet(Path(path)))


@fork_safe
def _checked(table: pl.DataFrame) -> pl.DataFrame:
    """The table with ids and texts as String, none of them missing."""
    check_kind("the table of a catalogue", table, pl.DataFrame, "llmrec_env.data.load_items reads")
    if "item_id" not in table.columns:
        raise DataError(
            f"catalogue: no column 'item_id' among {table.columns}; every item needs one"
        )
    ids = as_ids(table["item_id"], "catalogue")
    if ids.null_count():
        row = int(ids.is_null().arg_true()[0]) + 1
        raise DataError(f"catalogue: the item id of row {row} is missing; every item needs one")
    texts = [as_texts(table[name]) for name in table.columns if name != "item_id"]
    table = table.with_columns(ids, *texts)
    repeated = table["item_id"].filter(table["item_id"].is_duplicated())
    if len(repeated):
        raise DataError(
            f"catalogue: item id {shown(repeated[0])} occurs more than once; ids must be unique"
        )
    return table


def _as_texts_given(ids: Iterable[str] | pl.Series) -> pl.Series:
    """External ids as a column of texts.

    Raises:
        DataError: they are one text, or no texts.
    """
    if not isinstance(ids, str | bytes) and isinstance(ids, Iterable):
        with suppress(TypeError, pl.exceptions.PolarsError):
            return pl.Series(ids, dtype=pl.String)
    raise DataError(f"ids must be several texts, such as ['i00001', 'i00002'], got {shown(ids)}")


@fork_safe
def _sentences(items: Catalogue) -> list[str]:
    names = items.text_columns
    if not names:
        return [""] * len(items)
    texts = items.table.select(_as_read(name) for name in names)
    if "title" in names:
        texts = texts.with_columns(without_sentences(texts["title"], items.repeated_sentences))
    phrases = [
        pl.when(pl.col(name) != "").then(pl.lit(f"{PHRASES.get(name, name)} ") + pl.col(name))
        for name in names
    ]
    joined = texts.select(pl.concat_str(phrases, separator=", ", ignore_nulls=True))
    return joined.to_series().to_list()


@fork_safe
def _repeated(items: Catalogue) -> dict[str, int]:
    return repeated_sentences(items.table.select(_as_read("title")).to_series())


def _as_read(name: str) -> pl.Expr:
    """A column of texts as it looks."""
    visible = pl.col(name).str.replace_all(INVISIBLE, "")
    return visible.str.replace_all(BLANKS, " ").str.strip_chars()


def check_same_catalogue(expected: Catalogue, given: Catalogue, what: str) -> None:
    """Refuse what speaks of other items, or of the same in another order, whatever their number.

    Args:
        expected: the catalogue that item indices mean here.
        given: the catalogue of what was brought along.
        what: what was brought along, for the error: "the log" or "validation".

    Raises:
        DataError: the ids differ, or their order does.
    """
    ours, theirs = expected.table["item_id"], given.table["item_id"]
    if given is expected or theirs.equals(ours):
        return
    shared = min(len(ours), len(theirs))
    other = (ours.head(shared) != theirs.head(shared)).arg_max() if shared else None
    where = ""
    if other is not None and ours[other] != theirs[other]:
        where = f"; item {other} is {theirs[other]!r} and should be {ours[other]!r}"
    raise DataError(
        f"{what}: of another catalogue ({len(given)} items) than expected ({len(expected)} "
        f"items){where}; they must share one catalogue, the same item ids in the same order"
    )


def as_texts(column: pl.Series) -> pl.Series:
    """A column as text: lists are joined by commas, and a missing value is the empty text.

    Raises:
        DataError: it holds what is no text, such as structures or bytes.
    """
    dtype = column.dtype
    if isinstance(dtype, pl.List | pl.Array) and not isinstance(dtype.inner, pl.List | pl.Array):
        lists = column.cast(pl.List(pl.String)) if _is_plain(dtype.inner) else None
        texts = (
            lists.list.eval(pl.element().drop_nulls()).list.join(", ")
            if lists is not None
            else None
        )
    else:
        texts = column.cast(pl.String) if _is_plain(dtype) else None
    if texts is None:
        raise DataError(
            f"catalogue: column {column.name!r} is of the type {dtype}; expected texts, numbers or "
            "lists of them, so leave it out"
        )
    return texts.fill_null("")


def _is_plain(dtype: Any) -> bool:
    return not (dtype.is_nested() or dtype in (pl.Binary, pl.Object))
