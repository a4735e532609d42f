"""Differences between rows: the textbook's where the textbook speaks, and invariants."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec_env.common.errors import DataError

stats = pytest.importorskip("scipy.stats")
from llmrec_env.experiments.study.statistics import holm, paired_difference, spread  # noqa: E402


def users(
    rng: np.random.Generator,
    splits: int = 2,
    seeds: int | None = 2,
    n: int = 8,
    steps: int | None = None,
    shift: float = 0.0,
) -> pl.DataFrame:
    """Per-user metrics of the runs of one row; users of different splits overlap."""
    parts = []
    for split in range(splits):
        held = np.random.default_rng(split).permutation(2 * n)[:n]
        lengths = np.random.default_rng(100 + split).integers(1, 6, n)
        for seed in range(seeds) if seeds else (None,):
            parts.append(
                pl.DataFrame(
                    {
                        "split": [split] * n,
                        "seed": pl.Series([seed] * n, dtype=pl.Int64),
                        "user_id": [f"u{user}" for user in held],
                        "steps": lengths if steps is None else np.full(n, steps),
                        "NDCG@10": rng.random(n) + shift,
                    }
                )
            )
    return pl.concat(parts)


def test_with_one_split_and_equal_steps_it_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = (users(rng, 1, 1, 30, steps=3, shift=s) for s in (0.2, 0.0))
    found = paired_difference(ours, theirs)
    test = stats.ttest_rel(ours["NDCG@10"], theirs["NDCG@10"])
    interval = test.confidence_interval(0.95)
    assert found.p == pytest.approx(test.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.users == 30


def test_the_difference_is_that_of_the_tables_means() -> None:
    """Mean over steps, then seeds, then splits; worked out one run at a time."""
    rng = np.random.default_rng(1)
    ours, theirs = users(rng, 3, 2), users(rng, 3, 2)
    by_split = []
    for split in range(3):
        runs = []
        for seed in range(2):
            one, other = (
                side.filter((pl.col("split") == split) & (pl.col("seed") == seed)).to_dict(
                    as_series=False
                )
                for side in (ours, theirs)
            )
            means = [np.average(s["NDCG@10"], weights=s["steps"]) for s in (one, other)]
            runs.append(means[0] - means[1])
        by_split.append(np.mean(runs))
    found = paired_difference(ours, theirs)
    assert found.mean == pytest.approx(np.mean(by_split))
    assert found.splits == pytest.approx(by_split)
    assert found.agreeing == sum(np.sign(d) == np.sign(found.mean) for d in by_split)


def test_its_error_is_that_of_drawing_users_anew() -> None:
    """Whole users are drawn with replacement, with all their seeds and splits."""
    rng = np.random.default_rng(2)
    ours, theirs = users(rng, 2, 2, 60), users(rng, 2, 2, 60)
    found = paired_difference(ours, theirs)
    both = ours.join(theirs, on=["split", "seed", "user_id"], suffix="_other")
    both = both.with_columns(gain=pl.col("steps") * (pl.col("NDCG@10") - pl.col("NDCG@10_other")))
    cells = both.group_by("split", "user_id").agg(pl.col("gain").mean(), pl.col("steps").first())
    names = sorted(set(cells["user_id"]))
    gain, steps = np.zeros((2, len(names))), np.zeros((2, len(names)))
    for split, user, g, s in cells.iter_rows():
        gain[split, names.index(user)], steps[split, names.index(user)] = g, s
    drawn = rng.integers(len(names), size=(20_000, len(names)))
    means = np.mean([gain[s][drawn].sum(1) / steps[s][drawn].sum(1) for s in range(2)], axis=0)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * means.std(), rel=0.08)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_order_of_users_says_nothing(seed: int, shuffle: int) -> None:
    rng = np.random.default_rng(seed)
    ours, theirs = users(rng), users(rng)
    again = paired_difference(
        ours.sample(fraction=1, shuffle=True, seed=shuffle),
        theirs.sample(fraction=1, shuffle=True, seed=shuffle + 1),
    )
    assert again == paired_difference(ours, theirs)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_equals_do_not_differ_and_a_difference_has_two_sides(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ours, theirs = users(rng), users(rng)
    same = paired_difference(ours, ours)
    assert (same.mean, same.p, same.over_runs) == (0.0, 1.0, 0.0)
    one, other = paired_difference(ours, theirs), paired_difference(theirs, ours)
    assert one.mean == pytest.approx(-other.mean)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.p == pytest.approx(other.p)


def test_a_ranker_without_seeds_is_paired_with_every_seed() -> None:
    rng = np.random.default_rng(3)
    ours, fixed = users(rng, 2, 3), users(rng, 2, None)
    copies = pl.concat([fixed.with_columns(pl.lit(s, pl.Int64).alias("seed")) for s in range(3)])
    found, expected = paired_difference(ours, fixed), paired_difference(ours, copies)
    assert found.mean == pytest.approx(expected.mean)
    assert found.over_runs == pytest.approx(expected.over_runs)
    assert paired_difference(fixed, ours).mean == pytest.approx(-found.mean)


def test_only_runs_with_a_pair_count_and_other_users_are_refused() -> None:
    rng = np.random.default_rng(4)
    ours, theirs = users(rng, 2, 3), users(rng, 2, 2)
    first_two = ours.filter(pl.col("seed") < 2)
    assert paired_difference(ours, theirs) == paired_difference(first_two, theirs)
    with pytest.raises(DataError, match="no run of the one row"):
        paired_difference(ours.filter(pl.col("split") == 0), theirs.filter(pl.col("split") == 1))
    with pytest.raises(DataError, match="other test users or steps"):
        paired_difference(ours, theirs.with_columns(pl.col("steps") + 1))


def test_a_spread_parts_seeds_from_splits() -> None:
    found = spread({0: [1.0, 3.0], 1: [10.0, 14.0]})
    assert found.mean == 7.0
    assert found.over_seeds == pytest.approx(np.sqrt((2 + 8) / 2))
    assert found.over_splits == pytest.approx(np.std([2.0, 12.0], ddof=1))
    assert spread({0: [1.0]}) == (1.0, None, None)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= c <= 1 for p, c in zip(p_values, corrected, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(corrected)[order]) >= 0)
    # the smallest is Bonferroni's
    assert min(corrected) == pytest.approx(min(1.0, len(p_values) * min(p_values)))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
