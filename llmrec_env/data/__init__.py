"""What happened: the catalogue, the log, the public formats, the splits, the generated world."""

from llmrec_env.data.catalog import Catalog
from llmrec_env.data.log import InteractionLog

__all__ = ["Catalog", "InteractionLog"]
