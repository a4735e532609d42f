"""The public formats, one file each. A new one is a file with a ``FORMAT`` and a line here."""

from llmrec_env.data.formats import (
    amazon,
    lastfm_hetrec,
    movielens_100k,
    movielens_csv,
    movielens_dat,
    plain,
    recbole,
    retailrocket,
)
from llmrec_env.data.formats.base import Format, RawLog, Source

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        movielens_100k,
        movielens_dat,
        movielens_csv,
        lastfm_hetrec,
        retailrocket,
        recbole,
        amazon,
        plain,
    )
}

__all__ = ["FORMATS", "Format", "RawLog", "Source"]
