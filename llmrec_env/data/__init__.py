"""Data: the catalogue, the log, readers of public formats, splits, and the generated world."""

from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.joined import join_logs
from llmrec_env.data.loading import load, load_items
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.splits import Split, split_by_time, split_by_user, split_last_out
from llmrec_env.data.transforms import k_core, shuffle_items

__all__ = [
    "Catalogue",
    "InteractionLog",
    "Split",
    "join_logs",
    "k_core",
    "load",
    "load_items",
    "shuffle_items",
    "split_by_time",
    "split_by_user",
    "split_last_out",
]
