"""Ranking of cold items and of warm ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrec_env.common.errors import DataError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.breakdowns import bin_names, evaluate_by_count, step_bins
from llmrec_env.evaluation.ranking import Popularity, evaluate_ranking

pytestmark = pytest.mark.core


def make_log(sequences: Sequence[str]) -> InteractionLog:
    rows = [(f"u{number}", item) for number, items in enumerate(sequences) for item in items]
    table = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    return InteractionLog.from_table(Catalogue(pl.DataFrame({"item_id": list("abcdef")})), table)


def test_each_bin_is_ranked_by_itself() -> None:
    train = make_log(["aaaaaaa", "bbb", "c", "dd"])  # a 7, b 3, c 1, d 2, e and f never
    test = make_log(["baec", "ad", "f"])  # ranks of a, e, c, d: 0, 4.5, 3, 2; b, a, f open
    found = evaluate_by_count(Popularity(train), test, train.item_counts(), ks=(4,))
    assert found["all"] == evaluate_ranking(Popularity(train), test, ks=(4,))
    gains = {rank: 1 / np.log2(rank + 2) for rank in (0, 2, 3)}
    assert found == {
        "all": found["all"],
        "never": {"HR@4": 0.0, "NDCG@4": 0.0, "steps": 1, "mask_seen": False},  # e
        "1-2": pytest.approx(
            {"HR@4": 1.0, "NDCG@4": (gains[2] + gains[3]) / 2, "steps": 2, "mask_seen": False}
        ),  # c, d
        "6-20": {"HR@4": 1.0, "NDCG@4": 1.0, "steps": 1, "mask_seen": False},  # a
    }


def test_only_held_out_steps_count() -> None:
    train, test = make_log(["abab"]), make_log(["abc"]).with_first_target(np.array([2]))
    assert step_bins(test, train.item_counts()).tolist() == [0]
    assert set(evaluate_by_count(Popularity(train), test, train.item_counts())) == {"all", "never"}


def test_bins_are_named_by_their_counts() -> None:
    assert bin_names() == ["never", "1-2", "3-5", "6-20", "more than 20"]
    assert bin_names((0, 1, 4)) == ["never", "1", "2-4", "more than 4"]
    assert bin_names((3,)) == ["0-3", "more than 3"]


@given(
    st.lists(st.integers(0, 40), min_size=6, max_size=6), st.sets(st.integers(0, 30), min_size=1)
)
def test_a_step_lies_in_the_bin_whose_name_says_so(counts: list[int], edges: set[int]) -> None:
    rising = sorted(edges)
    bins = step_bins(make_log(["aabcdef"]), np.array(counts), rising)
    for count, number in zip(counts, bins, strict=True):
        below, above = [-1, *rising][number], [*rising, 10**9][number]
        assert below < count <= above


def test_refuses_counts_of_other_items_and_edges_that_do_not_rise() -> None:
    log = make_log(["ab"])
    with pytest.raises(DataError, match=r"shape \(6,\), one an item"):
        step_bins(log, np.zeros(5, dtype=np.int64))
    for edges in ((), (2, 2), (-1, 3)):
        with pytest.raises(DataError, match="edges must be counts that rise"):
            bin_names(edges)
