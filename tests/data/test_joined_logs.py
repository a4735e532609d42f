"""Several logs joined to one: every user stays within the catalogue of their own log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmrec_env.common.errors import DataError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.joined import join_logs
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import Negatives, uniform_items
from llmrec_env.data.reading import Reading
from llmrec_env.data.world.generated import generate_world

pytestmark = pytest.mark.core
FILMS = generate_world(0, n_items=30, n_users=25).log
GAMES = generate_world(1, n_items=40, n_users=20).log


def rated(log: InteractionLog, low: float, high: float) -> InteractionLog:
    """The log with ratings of a unit of its own."""
    values = np.random.default_rng(0).uniform(low, high, len(log))
    column = pl.Series("rating", values, dtype=pl.Float32)
    return replace(log, feedback=log.feedback.with_columns(column))


def test_a_joined_log_holds_every_log_under_its_name() -> None:
    both = join_logs({"films": FILMS, "games": GAMES})
    assert (both.n_items, both.n_users, len(both)) == (70, 45, len(FILMS) + len(GAMES))
    assert both.catalogue.ids[30] == f"games/{GAMES.catalogue.ids[0]}"
    assert both.user_ids[25] == f"games/{GAMES.user_ids[0]}"
    assert np.array_equal(both.sequence(25), GAMES.sequence(0) + 30)
    assert [part.tolist() for part in both.catalogue.parts] == [
        list(range(30)),
        list(range(30, 70)),
    ]
    assert both.catalogue.sentences == [*FILMS.catalogue.sentences, *GAMES.catalogue.sentences]
    shown = pl.concat([FILMS.feedback["propensity"], GAMES.feedback["propensity"]])
    assert both.feedback.equals(shown.to_frame())
    some = both.keep_items(np.array([1, 2, 33, 34]))
    assert [part.tolist() for part in some.catalogue.parts] == [[0, 1], [2, 3]]


def test_feedback_is_put_on_one_scale_within_each_log(tmp_path: Path) -> None:
    logs = {"stars": rated(FILMS, 1, 5), "points": rated(GAMES, -10, 10), "silent": FILMS}
    both = join_logs(logs)
    liked = both.feedback["liked"]
    for first, log in ((0, FILMS), (len(FILMS), GAMES)):
        own = liked[first : first + len(log)].to_numpy()
        assert own.mean() == pytest.approx(0, abs=1e-4)
        assert own.std() == pytest.approx(1, abs=1e-4)
    assert liked[len(FILMS) + len(GAMES) :].null_count() == len(FILMS)
    both.save(tmp_path / "log.parquet")
    both.catalogue.save(tmp_path / "items.parquet")
    items = Catalogue.load(tmp_path / "items.parquet")
    again = InteractionLog.load(tmp_path / "log.parquet", items)
    assert again.feedback["liked"].equals(liked, null_equal=True)
    assert len(items.parts) == 3


def test_what_a_user_never_took_is_drawn_from_their_own_catalogue() -> None:
    both = join_logs({"films": FILMS, "games": GAMES})
    users = np.repeat(np.arange(both.n_users), 50)
    rng = np.random.default_rng(0)
    of_games = users >= FILMS.n_users
    for share in (0.0, 0.5, 1.0):
        drawn = Negatives(both, share).draw(users, rng)
        assert np.array_equal(drawn >= 30, of_games)
        seen = {(u, i) for u in range(both.n_users) for i in both.sequence(u).tolist()}
        assert not seen & set(zip(users.tolist(), drawn.tolist(), strict=True))
    uniform = uniform_items(both, users, rng)
    assert np.array_equal(uniform >= 30, of_games)
    assert len(np.unique(uniform)) == 70


def test_popular_items_are_drawn_as_often_as_users_of_that_log_took_them() -> None:
    short = FILMS.keep(FILMS.row_positions < 2)
    both = join_logs({"games": GAMES, "films": short})
    users = np.repeat(np.arange(GAMES.n_users, both.n_users), 400)
    drawn = Negatives(both, 1.0).draw(users, np.random.default_rng(0))
    counts = np.bincount(drawn, minlength=70)[40:]
    assert np.corrcoef(counts, short.item_counts())[0, 1] > 0.9


def test_the_order_of_the_larger_part_counts() -> None:
    unordered = replace(FILMS, reading=Reading())
    assert join_logs({"films": unordered, "games": GAMES}).is_ordered == (len(GAMES) > len(FILMS))
    assert not join_logs({"films": unordered}).is_ordered
    assert join_logs({"games": GAMES}).is_ordered


@pytest.mark.parametrize("name", ["", "a/b"])
def test_names_that_ids_could_not_carry_are_refused(name: str) -> None:
    with pytest.raises(DataError, match="cannot name a log"):
        join_logs({name: FILMS})
    with pytest.raises(DataError, match="no logs"):
        join_logs({})
