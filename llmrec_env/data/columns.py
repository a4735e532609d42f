"""The names under which tables keep users, items, times, ratings, labels, likes, events,
propensities and sessions.

Every reader of tables whose columns may have any name asks here, so that they all know the same
names. A name is known however it is spelt: ``userId``, ``USER ID`` and ``user_id`` are one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.common.wording import listed, shown

Columns = Mapping[str, str | None]
"""A role and the column that plays it, or None where no column is to play it."""

ITEM = """
    item iid product_id product business_id track_id artist_id album_id movie_id film_id book_id
    song_id video_id article_id news_id app_id game_id recipe_id anime_id venue_id poi_id place_id
    hotel_id restaurant_id photo_id post_id ad_id course_id podcast_id episode_id show_id beer_id
    joke_id asin sku isbn
"""
TIME = """
    date datetime event_time event_timestamp event_date created_at created interaction_time
    transaction_date transaction_time purchase_date purchase_time order_date order_time review_date
    review_time rating_time rating_date rated_at click_time visit_time check_in_time
    action_time utc_time local_time watched_at listened_at played_at
"""
EPOCH = """
    unix_timestamp unix_time unix_review_time epoch ts time_s time_sec timestamp_s time_ms
    timestamp_ms time_millis time_us timestamp_us time_ns timestamp_ns
"""
CLICK = "is_click is_clicked click clicked was_clicked has_clicked click_label"
LABEL = """
    positive is_positive purchased is_purchase is_purchased bought
    is_buy is_bought conversion is_conversion converted interacted is_interacted accepted
    is_accepted taken is_taken engaged is_engaged
"""
LIKED = "like is_like is_liked thumbs_up is_thumbs_up thumbs thumb upvoted is_upvoted"
USER = "user customer_id customer reviewer_id visitor_id account_id member_id profile_id"
RATING = "stars score overall ratings user_rating review_rating review_score review_overall grade"
EVENT = """
    event_type event_name behavior behaviour behavior_type behaviour_type action action_type
    interaction_type activity_type
"""
PROPENSITY = "propensity_score pscore action_prob action_probability logging_probability"
SESSION = "session_id session"
KNOWN: dict[str, tuple[str, ...]] = {
    "user_id": ("user_id", USER, SESSION),
    "item_id": ("item_id", "parent_asin", ITEM),
    "time": ("timestamp time", EPOCH, TIME),
    "rating": ("rating", RATING),
    "label": ("label", CLICK, LABEL),
    "event": ("event", EVENT),
    "weight": ("weight",),
    "liked": ("liked", LIKED),
    "propensity": ("propensity", PROPENSITY),
    "session": (SESSION,),
}
"""For each role the known names, the surest first; two names of one rank leave it open."""

REQUIRED = ("user_id", "item_id")

TYPES: dict[str, Any] = {
    "user_id": pl.String,
    "item_id": pl.String,
    "time": pl.String,
    "rating": pl.Float32,
    "label": pl.String,
    "event": pl.String,
    "weight": pl.Float32,
    "liked": pl.String,
    "propensity": pl.Float32,
    "session": pl.String,
}
"""What each role is read as from text; times are told apart later."""


def squashed(name: str) -> str:
    """A name without what spellings differ in."""
    return re.sub(r"[\W_]+", "", name).lower()


_RANKS = {
    role: [[squashed(name) for name in rank.split()] for rank in ranks]
    for role, ranks in KNOWN.items()
}


def find_columns(
    names: Iterable[str], chosen: Columns, where: str, needed: Collection[str] = REQUIRED
) -> dict[str, str]:
    """Which column plays which role: what the caller chose, else what the known names say.

    Args:
        names: the columns of the table.
        chosen: roles and their columns, as the caller said; None for a role that no column has.
        where: the file, for errors.
        needed: roles that must be found.

    Returns:
        Roles and their columns, in the order of :data:`KNOWN`.

    Raises:
        DataError: a role or a column of ``chosen`` does not exist, several columns fit a role
            equally well, or a needed role is not found.
    """
    names = list(names)
    _check_choice(names, chosen, where)
    free = _by_squashed(name for name in names if name not in chosen.values())
    found: dict[str, str] = {}
    for role, ranks in _RANKS.items():
        column = chosen[role] if role in chosen else _guess(role, ranks, free, where)
        if role == "session" and role not in chosen and column in found.values():
            column = None  # sessions are its users
        if column is not None:
            found[role] = column
        elif role in needed:
            raise DataError(
                f"{where}: no column {role!r} among {listed(names)}; nor one of its other known "
                f"names; rename it, or say which it is: columns={{{role!r}: 'NAME'}} "
                f"(--column {role}=NAME)"
            )
    return found


def with_sessions(table: pl.DataFrame, roles: Mapping[str, str]) -> pl.DataFrame:
    """A table of interactions, its columns named by their roles, each of whose users is one session
    where the column of users is called as sessions are."""
    names = {squashed(name) for name in SESSION.split()}
    if "session" in roles or squashed(roles["user_id"]) not in names:
        return table
    return table.with_columns(pl.col("user_id").alias("session"))


def _check_choice(names: list[str], chosen: Columns, where: str) -> None:
    for role, column in chosen.items():
        if role not in KNOWN:
            raise DataError(f"columns: unknown {shown(role)}; expected one of {listed(KNOWN)}")
        if column is not None and column not in names:
            raise DataError(f"{where}: no column {shown(column)} among {listed(names)}")


def _by_squashed(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(squashed(name), []).append(name)
    return found


def _guess(
    role: str, ranks: list[list[str]], free: Mapping[str, list[str]], where: str
) -> str | None:
    for rank in ranks:
        fitting = [name for known in rank for name in free.get(known, ())]
        if len(fitting) > 1:
            raise DataError(
                f"{where}: several columns may be the {role}: {listed(fitting)}; expected one of "
                f"them, so say which: columns={{{role!r}: {fitting[0]!r}}} "
                f"(--column {role}={fitting[0]})"
            )
        if fitting:
            return fitting[0]
    return None
