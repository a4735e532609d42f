"""Readers of public datasets: each format is a module with a ``FORMAT``, listed in ``MODULES``."""

from importlib import import_module

from llmrec_env.data.formats.base import Format, LogFiles, RawLog

# Asked in this order which of them recognises a path.
MODULES = (
    "movielens_100k",
    "movielens_dat",
    "movielens_csv",
    "lastfm_hetrec",
    "retailrocket",
    "coat",
    "yahoo_r3",
    "kuairec",
    "recbole",
    "amazon",
    "plain",
)
FORMATS: dict[str, Format] = {name: import_module(f"{__name__}.{name}").FORMAT for name in MODULES}

__all__ = ["FORMATS", "Format", "LogFiles", "RawLog"]
