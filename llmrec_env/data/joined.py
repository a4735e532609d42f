"""``join_logs``: several logs over catalogues of their own as one, of which one LE can learn.

Every item keeps the name of the log that it is of (``Catalogue.parts``). A user takes items of one
log alone, so what a user did not take is drawn, and the next item told from others, within it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.forking import fork_safe
from llmrec_env.data.catalogue import PART, Catalogue
from llmrec_env.data.feedback import FeedbackScale
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.reading import Reading
from llmrec_env.data.skips import Skips


@fork_safe
def join_logs(logs: Mapping[str, InteractionLog]) -> InteractionLog:
    """The users and items of several logs in one.

    Ids of users and items get the name of their log before them: ``films/318``. Feedback is put on
    one scale within each log, whatever its unit (:class:`FeedbackScale`), and stands in the column
    ``liked``, empty for the users of a log that tells none; propensities stay. The joined log
    counts as ordered where more than half of its interactions are of logs with an order. Times are
    left out, and so are skips unless every log tells them: a user of whom nobody knows the skips
    would count as one who takes all that is shown.

    Args:
        logs: by name.

    Raises:
        DataError: there is none, or a name is empty or has a "/" in it.
    """
    if not logs:
        raise DataError("join_logs: no logs; give at least one, by name")
    for name in logs:
        if not name or "/" in name:
            raise DataError(f"join_logs: {name!r} cannot name a log: a name is a text without '/'")
    tables = [_named(name, log.catalogue) for name, log in logs.items()]
    begins = np.cumsum([0, *(table.height for table in tables)])
    ordered = sum(len(log) for log in logs.values() if log.is_ordered)
    total = sum(map(len, logs.values()))
    return InteractionLog(
        catalogue=Catalogue(pl.concat(tables, how="diagonal")),
        user_ids=pl.concat([name + "/" + log.user_ids for name, log in logs.items()]).alias(
            "user_id"
        ),
        offsets=np.concatenate(
            [[0], np.cumsum(np.concatenate([x.lengths for x in logs.values()]))]
        ),
        items=np.concatenate(
            [log.items + begin for begin, log in zip(begins, logs.values(), strict=False)]
        ),
        feedback=_feedback(list(logs.values())),
        first_target=np.concatenate([log.first_target for log in logs.values()]),
        reading=Reading(order="position" if 2 * ordered > total else "unknown"),
        skips=_skips(list(logs.values()), begins),
    )


def _named(name: str, items: Catalogue) -> pl.DataFrame:
    return items.table.with_columns(
        (pl.lit(f"{name}/") + pl.col("item_id")).alias("item_id"), pl.lit(name).alias(PART)
    )


def _skips(logs: list[InteractionLog], begins: IntArray) -> Skips | None:
    """What was skipped in each log, whose items begin at ``begins``; None where one tells none."""
    told = [log.skips for log in logs if log.skips is not None]
    if len(told) < len(logs):
        return None
    counts = np.concatenate([np.diff(own.offsets) for own in told])
    return Skips(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        items=np.concatenate([own.items + begin for begin, own in zip(begins, told, strict=False)]),
        after=np.concatenate([own.after for own in told]),
    )


def _feedback(logs: list[InteractionLog]) -> pl.DataFrame:
    """How things were liked, and with which probability they were shown, where a log tells it."""
    columns = [_liked(logs), _propensities(logs)]
    return pl.DataFrame([column for column in columns if column is not None])


def _propensities(logs: list[InteractionLog]) -> pl.Series | None:
    """The propensities of all logs, null where one tells none; None where none does."""
    name = "propensity"
    if not any(name in log.feedback.columns for log in logs):
        return None
    return pl.concat(
        log.feedback[name]
        if name in log.feedback.columns
        else pl.Series(name, [None] * len(log), dtype=pl.Float32)
        for log in logs
    )


def _liked(logs: list[InteractionLog]) -> pl.Series | None:
    """What is known of how things were liked, each log's on its own scale; None where nothing."""
    scales = [FeedbackScale.of(log) for log in logs]
    if not any(scales):
        return None
    values = [
        np.full(len(log), np.nan, dtype=np.float32) if scale is None else scale.values(log)
        for log, scale in zip(logs, scales, strict=True)
    ]
    column = pl.Series("liked", np.concatenate(values), dtype=pl.Float32)
    return column.fill_nan(None)
