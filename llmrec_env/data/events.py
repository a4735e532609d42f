"""Names of events that count as a click or as a purchase, as in the SQN papers."""

from __future__ import annotations

import polars as pl

from llmrec_env.common.arrays import BoolArray
from llmrec_env.common.errors import DataError

CLICKS = ("view", "click")
PURCHASES = ("addtocart", "purchase", "transaction")


def purchased(events: pl.Series) -> BoolArray:
    """Which events of a log are one of :data:`PURCHASES` and not of :data:`CLICKS`, bool (n,).

    Upper and lower case are alike.

    Raises:
        DataError: an event is neither.
    """
    names = events.str.to_lowercase()
    bought = names.is_in(PURCHASES).fill_null(False)
    unknown = ~(bought | names.is_in(CLICKS).fill_null(False))
    if unknown.any():
        raise DataError(
            f"the log has the event {events.filter(unknown)[0]!r}; known are the clicks "
            f"{', '.join(CLICKS)} and the purchases {', '.join(PURCHASES)}: rename the events or "
            "drop the column"
        )
    return bought.to_numpy()
