"""Reader of RecBole atomic files: ``NAME.inter`` and ``NAME.item``, whose headers carry types."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.data.formats.base import Format, LogFiles, RawLog
from llmrec_env.data.formats.delimited import read_delimited, read_header

TYPES = {"token": pl.String, "token_seq": pl.String, "float": pl.Float64, "float_seq": pl.String}
FEEDBACK = {"timestamp": "time", "rating": "rating", "weight": "weight", "event": "event"}
# How RecBole's converted datasets call what the catalogue calls otherwise.
TEXT_NAMES = {"class": "genres", "genre": "genres", "categories": "category", "name": "title"}


def recognises(source: LogFiles) -> bool:
    """A file ``NAME.inter``."""
    return bool(source.candidates("*.inter"))


def read(source: LogFiles, user_field: str = "user_id", item_field: str | None = None) -> RawLog:
    """Interactions, and the texts (``token`` and ``token_seq`` fields) of the items.

    Args:
        source: where the files stand.
        user_field: the field that names the user.
        item_field: the field that names the item; by default ``item_id``, else the first other
            ``token`` field.
    """
    path = source.only("*.inter")
    header = _typed_header(path)
    item_field = item_field or _guess_item_field(path, header, user_field)
    names = {user_field: "user_id", item_field: "item_id"}
    names |= {field: FEEDBACK[field] for field in header if field in FEEDBACK}
    interactions = _read_atomic(path, list(names)).rename(names)
    items_path = path.with_suffix(".item")
    if not items_path.exists():
        return RawLog(interactions, path)
    return RawLog(interactions, path, _read_items(items_path, item_field), items_path)


def _read_items(path: Path, item_field: str) -> pl.DataFrame:
    header = _typed_header(path)
    texts = [name for name, kind in header.items() if kind.startswith("token")]
    table = _read_atomic(path, list(dict.fromkeys([item_field, *texts])))
    named = {item_field: "item_id"}
    for name in texts:
        plain = "title" if name.endswith("title") else TEXT_NAMES.get(name, name)
        if name != item_field and plain not in named.values():
            named[name] = plain
    return table.rename(named)


def _typed_header(path: Path) -> dict[str, str]:
    """Field names and their types: ``user_id:token`` gives ``{"user_id": "token"}``."""
    header = {}
    for column in read_header(path, "\t", None):
        name, _, kind = column.rpartition(":")
        if kind not in TYPES or not name:
            raise DataError(
                f"{path}: header field {column!r} has no known type; "
                f"expected NAME:TYPE, with a type of {', '.join(TYPES)}"
            )
        header[name] = kind
    return header


def _guess_item_field(path: Path, header: dict[str, str], user_field: str) -> str:
    others = [name for name, kind in header.items() if kind == "token" and name != user_field]
    if "item_id" in others or not others:
        return "item_id"
    return others[0]


def _read_atomic(path: Path, fields: list[str]) -> pl.DataFrame:
    """The named fields, under their names without types."""
    header = _typed_header(path)
    for field in fields:
        if field not in header:
            raise DataError(
                f"{path}: no field {field!r} among {list(header)}; "
                "name it with the options user_field and item_field"
            )
    types = {f"{field}:{header[field]}": TYPES[header[field]] for field in fields}
    table = read_delimited(path, types, separator="\t", quote=None)
    return table.rename({name: name.rpartition(":")[0] for name in table.columns})


FORMAT = Format("recbole", "NAME.inter, NAME.item", recognises, read)
