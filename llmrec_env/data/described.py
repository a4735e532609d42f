"""The catalogue of a log that was read: which of its items the table of items describes."""

from __future__ import annotations

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.common.wording import listed, shown
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.formats.base import RawLog
from llmrec_env.data.formats.text import clean

MOST_TEXTS = 1_000
"""Columns of text that an item may have: more are no description, and take for ever to clean."""

EXAMPLES = 2
"""Ids that a message shows of each kind."""


def catalogue_of(
    raw: RawLog, seen_ids: pl.Series, keep_unseen_items: bool, max_characters: int
) -> tuple[Catalogue, list[str]]:
    """The catalogue, with exactly the seen items unless the unseen ones are kept.

    Args:
        raw: the log as its format read it.
        seen_ids: the items of the interactions, String, each once.
        keep_unseen_items: whether items that nobody saw stay.
        max_characters: longer texts are cut.

    Returns:
        The catalogue, and what to tell about seen items that the table does not describe, and
        about sentences that many titles hold.

    Raises:
        DataError: an item is described twice or has no id, no seen item is described, or one is
            not although all must be.
    """
    seen = seen_ids.alias("item_id").to_frame()
    if raw.items is None:
        return Catalogue(seen), []
    if raw.items.width > MOST_TEXTS:
        raise DataError(
            f"{raw.items_path}: {raw.items.width - 1:,} columns of text; expected at most "
            f"{MOST_TEXTS:,}, so name those that describe an item (text_columns=['title', …] in "
            "Python), or leave the others out of the file"
        )
    _refuse_duplicates(raw.items["item_id"], str(raw.items_path))
    unknown = seen.join(raw.items, on="item_id", how="anti", maintain_order="left")
    notes = _about_unknown(raw, seen.height, unknown["item_id"]) if unknown.height else []
    items = raw.items
    if not keep_unseen_items:
        items = items.join(seen, on="item_id", how="semi", maintain_order="left")
    table = pl.concat([items, unknown], how="diagonal") if unknown.height else items
    catalogue = Catalogue(clean(table, max_characters))
    return catalogue, [*notes, *_about_repeated(catalogue)]


def _about_unknown(raw: RawLog, n_seen: int, unknown: pl.Series) -> list[str]:
    assert raw.items is not None
    described = raw.items["item_id"]
    known = n_seen - len(unknown)
    fact = (
        f"{raw.items_path} describes {known} of the {n_seen} items of {raw.path.name}; not "
        f"described: {_examples(unknown)}; described: {_examples(described)}"
    )
    if raw.closed:
        raise DataError(
            f"{raw.path}: unknown item id {shown(unknown[0])} ({len(unknown)} such items): {fact}; "
            "expected all of them there, so add it there or remove its interactions"
        )
    if known == 0:
        raise DataError(
            f"{fact}; expected ids that are written alike in both files: take the table of these "
            "items, or remove it to go on without texts"
        )
    return [fact + ": items without text"]


def _about_repeated(catalogue: Catalogue) -> list[str]:
    return [
        f"{count:,} titles hold the sentence {shown(sentence)}: it says nothing about any one of "
        "them, and no language model reads it"
        for sentence, count in catalogue.repeated_sentences.items()
    ]


def _examples(ids: pl.Series) -> str:
    return listed([shown(value) for value in ids.head(EXAMPLES)]) + ("…" if len(ids) > 2 else "")


def _refuse_duplicates(ids: pl.Series, path: str) -> None:
    missing = ids.is_null() | (ids.str.strip_chars() == "")
    rows = (ids.is_duplicated() | missing).arg_true()
    if len(rows):
        row = int(rows[0])
        what = "is missing" if missing[row] else f"{shown(ids[row])} occurs more than once"
        raise DataError(
            f"{path}: item id {what}, first in row {row + 1} ({len(rows)} such rows); "
            "expected one row an item, so remove the others"
        )
