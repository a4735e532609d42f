"""Cleans item texts: markup, entities, white space, titles, length."""

from __future__ import annotations

import html

import polars as pl

# What is between the tags of these two is code, not text.
CODE = r"(?is)<(?:script|style)\b.*?</(?:script|style)\s*>"
TAG = r"(?s)<(?:[a-zA-Z/][^<>]*|!--.*?--|![^<>]*)>"
# Characters that are not seen: zero-width ones, those that turn the direction, fillers, marks.
INVISIBLE = r"[\p{Default_Ignorable_Code_Point}\u{FFF9}-\u{FFFB}]"
CONTROL = r"\p{Cc}"
# What says that there is no text, as the whole of it: MovieLens, pandas, SQL.
PLACEHOLDERS = ("(no genres listed)", "nan", "NaN", "<NA>", "null", "NULL", "\\N")
ARTICLES = "The|A|An|Les|Le|La|L'|Il|Lo|Das|Der|Die|El|Los|Las"


def clean(table: pl.DataFrame, max_characters: int) -> pl.DataFrame:
    """Drop markup and what is not seen, unescape entities, collapse white space, cut long texts.

    Args:
        table: ``item_id`` and String columns.
        max_characters: a longer text ends at the last whole word within it.
    """
    columns = [name for name in table.columns if name != "item_id"]
    filled = [table[name].cast(pl.String).fill_null("") for name in columns]
    texts = [_without_markup(column.replace(list(PLACEHOLDERS), "")) for column in filled]
    return table.with_columns(*texts).with_columns(_shortened(pl.col(columns), max_characters))


def joined(column: str, separator: str) -> pl.Expr:
    """``Adventure|Animation`` as ``Adventure, Animation``."""
    return pl.col(column).str.replace_all(separator, ", ", literal=True)


def spaced(column: str) -> pl.Expr:
    """``Tools,Drills`` or ``Tools|Drills`` as ``Tools, Drills``; the commas of numbers stay."""
    return pl.col(column).str.replace_all(r"\s*\|\s*|(\D),\s*|,\s*([^\s\d])", "$1, $2")


def natural_title(column: str) -> pl.Expr:
    """``Matrix, The (1999)`` as ``The Matrix (1999)``."""
    moved = pl.col(column).str.replace(rf"^([^(]+), ({ARTICLES}) (\(.*)$", "$2 $1 $3")
    return moved.str.replace("^L' ", "L'").str.strip_chars()


def _without_markup(texts: pl.Series) -> pl.Series:
    stripped = _strip_tags(texts)
    escaped = stripped.str.contains("&", literal=True)
    if not escaped.any():
        return stripped
    unescaped = stripped.filter(escaped).map_elements(html.unescape, return_dtype=pl.String)
    # Shops escape twice: what was "&lt;br&gt;" is a tag only now.
    return _strip_tags(stripped.scatter(escaped.arg_true(), unescaped))


def _strip_tags(texts: pl.Series) -> pl.Series:
    return texts.str.replace_all(CODE, " ").str.replace_all(TAG, " ")


def _shortened(text: pl.Expr, max_characters: int) -> pl.Expr:
    text = text.str.replace_all(INVISIBLE, "").str.replace_all(CONTROL, " ")
    text = text.str.replace_all(r"\s+", " ").str.strip_chars()
    cut = text.str.head(max_characters + 1).str.replace(r"\s+\S*$", "").str.head(max_characters)
    return pl.when(text.str.len_chars() > max_characters).then(cut).otherwise(text)
