"""Reader of RecBole atomic files: ``NAME.inter`` and ``NAME.item``, whose headers carry types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.common.wording import listed, shown
from llmrec_env.data.columns import Columns, find_columns, with_sessions
from llmrec_env.data.formats.base import Format, LogFiles, RawLog, table_reading
from llmrec_env.data.formats.delimited import read_delimited, read_header
from llmrec_env.data.formats.item_texts import holds_addresses, is_title, names_address, title_of
from llmrec_env.data.reading import Reading, TableReading
from llmrec_env.data.times import in_seconds, unit_of

TYPES = {"token": pl.String, "token_seq": pl.String, "float": pl.Float64, "float_seq": pl.String}
# How RecBole's converted datasets call what the catalogue calls otherwise.
TEXT_NAMES = {"class": "genres", "genre": "genres", "categories": "category"}


def recognises(source: LogFiles) -> bool:
    """A file ``NAME.inter``."""
    return bool(source.candidates("*.inter"))


def read(
    source: LogFiles,
    user_field: str | None = None,
    item_field: str | None = None,
    columns: Columns | None = None,
) -> RawLog:
    """Interactions, and the texts (``token`` and ``token_seq`` fields) of the items.

    Args:
        source: where the files stand.
        user_field: the field that names the user; by default one of the known names.
        item_field: the field that names the item; by default one of the known names, else the only
            ``token`` field that is left (:mod:`llmrec_env.data.columns`).
        columns: which field is the ``time``, ``rating``, ``label``, ``event`` or ``weight``, where
            the names do not say it; None where none is.
    """
    path = source.only("*.inter")
    header = _typed_header(path)
    chosen = {**(columns or {})}
    chosen |= {"user_id": user_field} if user_field else {}
    chosen |= {"item_id": item_field} if item_field else {}
    roles = _roles(path, header, chosen)
    interactions = _read_atomic(path, {field: role for role, field in roles.items()})
    interactions = with_sessions(interactions, roles)
    if "time" in roles and (unit := unit_of(roles["time"])) != 1.0:
        seconds = in_seconds(interactions["time"], str(path), unit)
        interactions = interactions.with_columns(seconds.alias("time"))
    tables = (table_reading(path, header, {field: role for role, field in roles.items()}),)
    items_path = path.with_suffix(".item")
    if not items_path.exists():
        return RawLog(interactions, path, reading=Reading(tables=tables))
    items, table = _read_items(items_path, roles["item_id"])
    return RawLog(interactions, path, items, items_path, reading=Reading(tables=(*tables, table)))


def _roles(path: Path, header: Mapping[str, str], chosen: Columns) -> dict[str, str]:
    """Which field plays which role; an item of an unknown name is the only token that is left."""
    roles = find_columns(header, chosen, str(path), needed=())
    if "user_id" not in roles:
        raise DataError(
            f"{path}: no field 'user_id' among {listed(header)}; name it with "
            "user_field (--user-field)"
        )
    if "item_id" in roles:
        return roles
    tokens = [name for name, kind in header.items() if kind == "token"]
    left = [name for name in tokens if name not in roles.values()]
    if len(left) != 1:
        raise DataError(
            f"{path}: no field 'item_id' among {listed(header)}, and {len(left)} of them may name "
            f"the item ({listed(left)}); name it with item_field (--item-field)"
        )
    return {**roles, "item_id": left[0]}


def _read_items(path: Path, item_field: str) -> tuple[pl.DataFrame, TableReading]:
    header = _typed_header(path)
    texts = [
        name
        for name, kind in header.items()
        if kind.startswith("token") and name != item_field and not names_address(name)
    ]
    named = {item_field: "item_id"}
    if (title := title_of(texts, item_field)) is not None:
        named[title] = "title"
    for name in texts:
        plain = TEXT_NAMES.get(name, name)
        if name != title and not is_title(name) and plain not in named.values():
            named[name] = plain
    table = _read_atomic(path, named)
    addresses = [column.name for column in table if holds_addresses(column)]
    used = {field: name for field, name in named.items() if name not in addresses}
    return table.drop(addresses), table_reading(path, header, used)


def _typed_header(path: Path) -> dict[str, str]:
    """Field names and their types: ``user_id:token`` gives ``{"user_id": "token"}``."""
    header = {}
    for column in read_header(path, "\t", None):
        name, _, kind = column.rpartition(":")
        if kind not in TYPES or not name:
            raise DataError(
                f"{path}: header field {shown(column)} has no known type; "
                f"expected NAME:TYPE, with a type of {', '.join(TYPES)}"
            )
        header[name] = kind
    return header


def _read_atomic(path: Path, fields: Mapping[str, str]) -> pl.DataFrame:
    """The named fields, each under the name that it is given."""
    header = _typed_header(path)
    for field in fields:
        if field not in header:
            raise DataError(
                f"{path}: no field {field!r} among {listed(header)}; name it with "
                "item_field (--item-field)"
            )
    types = {f"{field}:{header[field]}": TYPES[header[field]] for field in fields}
    table = read_delimited(path, types, separator="\t", quote=None)
    return table.rename({f"{field}:{header[field]}": name for field, name in fields.items()})


FORMAT = Format("recbole", "NAME.inter, NAME.item", recognises, read)
