"""Ranking of click and of purchase steps."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from llmrec_env.common.errors import DataError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.breakdowns import evaluate_by_event
from llmrec_env.evaluation.ranking import Popularity, evaluate_ranking

pytestmark = pytest.mark.core


def make_log(rows: list[tuple[str, str, str]]) -> InteractionLog:
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "event"], orient="row")
    return InteractionLog.from_table(Catalogue(pl.DataFrame({"item_id": list("abcde")})), table)


ROWS = [
    *(("u", "a", "view"), ("u", "a", "Transaction"), ("u", "b", "click"), ("u", "e", "addtocart")),
    *(("v", "c", "purchase"), ("v", "a", "view"), ("v", "b", "purchase")),
    ("w", "a", "purchase"),
]


def test_each_kind_of_step_is_ranked_by_itself() -> None:
    log = make_log(ROWS)  # counts a 4, b 2, c 1, d 0, e 1: ranks 0, 1, 2.5, 4, 2.5
    found = evaluate_by_event(Popularity(log), log, ks=(2,))
    assert found["all"] == evaluate_ranking(Popularity(log), log, ks=(2,))
    gain = 1 / np.log2(3)
    expected = {"HR@2": 2 / 3, "NDCG@2": (1 + gain) / 3, "steps": 3, "mask_seen": False}
    assert found["purchase"] == pytest.approx(expected)  # a, e, b
    assert found["click"] == pytest.approx(
        {"HR@2": 1.0, "NDCG@2": (1 + gain) / 2, "steps": 2, "mask_seen": False}  # b, a
    )


def test_only_held_out_steps_count() -> None:
    log = make_log(ROWS).with_first_target(np.array([3, 2, 1]))
    found = evaluate_by_event(Popularity(log), log, ks=(2,))
    assert set(found) == {"all", "purchase"}
    assert (found["purchase"]["HR@2"], found["purchase"]["steps"]) == (0.5, 2)


def test_events_of_no_known_kind_stand_under_their_own_names() -> None:
    log = make_log([("u", "a", "view"), ("u", "b", "sneeze"), ("u", "c", "buy")])
    found = evaluate_by_event(Popularity(log), log)
    assert {name: metrics["steps"] for name, metrics in found.items()} == {
        **{"all": 2, "sneeze": 1, "purchase": 1}
    }


def test_refuses_logs_that_tell_no_events() -> None:
    log = make_log([("u", "a", "view"), ("u", "b", "view")])
    silent = InteractionLog.from_table(log.catalogue, log.to_table().drop("event"))
    with pytest.raises(DataError, match="no column 'event'"):
        evaluate_by_event(Popularity(silent), silent)
