"""Which columns of a table of items are read as text, and which is the title."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

TITLES = ("title", "name", *(
    f"{what}_name"
    for what in (
        "item", "product", "movie", "film", "app", "game", "book", "business", "venue", "track",
        "song", "video", "article", "news", "recipe", "anime", "course", "podcast", "show",
    )
))  # fmt: skip
"""What a title is called, the surest first; a name that ends in ``title`` is one as well."""

ADDRESSES = ("url", "uri", "link", "href", "image", "img", "picture", "poster", "thumbnail")
"""Last words of the names of columns that hold addresses, in the plural as well."""

ADDRESS = r"^(?:https?:)?//\S+$|^www\.\S+$"


def title_of(names: Iterable[str], item_column: str = "item_id") -> str | None:
    """The column that holds the titles, None where none does.

    Args:
        names: the columns.
        item_column: the one that holds the ids: ``artist_name`` is a title beside ``artist_id``.
    """
    own = item_column.lower().removesuffix("_id") + "_name"
    lower = {name.lower(): name for name in names}
    for known in ("title", own, *TITLES):
        if known in lower:
            return lower[known]
    return next((name for small, name in lower.items() if small.endswith("title")), None)


def is_title(name: str) -> bool:
    """Whether a column's name says that it holds titles."""
    return name.lower() in TITLES or name.lower().endswith("title")


def names_address(name: str) -> bool:
    """Whether a column's name says that it holds addresses or pictures."""
    last = name.lower().replace("-", "_").rsplit("_", 1)[-1]
    return last in ADDRESSES or last.removesuffix("s") in ADDRESSES or last.endswith("url")


def holds_addresses(texts: pl.Series) -> bool:
    """Whether all texts of a column are addresses of the web."""
    filled = texts.drop_nulls().filter(texts.drop_nulls() != "")
    return len(filled) > 0 and bool(filled.str.contains(ADDRESS).all())


def holds_numbers(texts: pl.Series) -> bool:
    """Whether all texts of a column are numbers."""
    filled = texts.drop_nulls().filter(texts.drop_nulls() != "")
    return len(filled) > 0 and filled.cast(pl.Float64, strict=False).null_count() == 0
