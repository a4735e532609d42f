"""``CollectedLog``: what a policy showed to users step by step, and how probable showing it was.

The propensity of a step is the probability with which the policy that collected the log showed this
item, given the observation and the items still unseen at that step. It is no probability that the
item was taken: that is the user's own answer. Over the unseen items of a step (about which the
user can answer) propensities sum to one. With them another policy can be judged by the same log
(off-policy evaluation).

A saved log is a folder. ``steps.parquet`` has one row a step, ``episodes.parquet`` one row an
episode, ``collection.json`` says who collected it, and ``interactions.parquet`` with
``items.parquet`` are the same as a log that :func:`llmrec_env.load` and ``--data`` read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray, read_only
from llmrec_env.common.errors import DataError
from llmrec_env.common.files import atomic_path, local_path, write_json
from llmrec_env.common.forking import fork_safe
from llmrec_env.common.wording import shown
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.reading import Reading
from llmrec_env.offline.collected_files import (
    ABOUT,
    EPISODES,
    INTERACTIONS,
    ITEMS,
    STEPS,
    read_columns,
)

HISTORY_LENGTH = 50
"""Items of a "history" observation, where a policy does not say how many."""
ARRAYS = ("offsets", "items", "propensities", "rewards", "accepted", "observations")
NONE = read_only(np.empty(0, dtype=np.int64))
PER_EPISODE = ("last_observations", "terminated")


@dataclass(frozen=True, eq=False)
class CollectedLog:
    """Whole episodes; episode ``e`` owns rows ``offsets[e] : offsets[e + 1]``, in their order.

    Attributes:
        catalogue: the items.
        user_ids: String (n_episodes,), the external id of each episode's user; a user may have
            several episodes.
        offsets: int64 (n_episodes + 1,).
        items: int64 (n_steps,), the item shown.
        propensities: float64 (n_steps,), in (0, 1], the probability with which the policy showed
            it, given the observation and the items still unseen.
        rewards: float32 (n_steps,), what the environment paid.
        accepted: bool (n_steps,), whether the user took it.
        observations: float32 (n_steps, k), what the policy saw before it; the first ``state_size``
            numbers are the user's state.
        last_observations: float32 (n_episodes, k), after each episode's last step.
        terminated: bool (n_episodes,), whether the user left; else the time limit cut the episode.
        histories: each episode's initial history, int64 item indices, oldest first.
        about: who collected it, from whom and with which settings, as JSON knows it.
        unknown: each episode's items that could not be shown, because the user cannot answer about
            them (:meth:`UserSimulator.unknown_items`), int64 item indices; empty where all could.

    Raises:
        DataError: the arrays do not fit each other, or a propensity is none.
    """

    catalogue: Catalogue
    user_ids: pl.Series
    offsets: IntArray
    items: IntArray
    propensities: Float64Array
    rewards: FloatArray
    accepted: BoolArray
    observations: FloatArray
    last_observations: FloatArray
    terminated: BoolArray
    histories: tuple[IntArray, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
    unknown: tuple[IntArray, ...] = ()

    def __post_init__(self) -> None:
        for name in (*ARRAYS, *PER_EPISODE):
            object.__setattr__(self, name, read_only(getattr(self, name)))
        steps = {len(getattr(self, name)) for name in ARRAYS[1:]}
        if not self.unknown:
            object.__setattr__(self, "unknown", (NONE,) * len(self.histories))
        names = (*PER_EPISODE, "histories", "unknown", "user_ids")
        episodes = {len(getattr(self, name)) for name in names}
        if steps != {int(self.offsets[-1])} or episodes != {len(self.offsets) - 1}:
            raise DataError(
                f"collected log: offsets say {len(self.offsets) - 1} episodes of "
                f"{int(self.offsets[-1])} steps, and the columns have {sorted(episodes)} and "
                f"{sorted(steps)} rows"
            )
        if not ((self.propensities > 0) & (self.propensities <= 1)).all():
            raise DataError("collected log: propensities must lie above 0 and at most at 1")

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        policy = self.about.get("policy", "unknown")
        return (
            f"CollectedLog({self.n_episodes:,} episodes, {len(self):,} steps, "
            f"{self.n_items:,} items, policy {shown(str(policy))})"
        )

    @property
    def n_episodes(self) -> int:
        """Number of episodes."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items in the catalogue."""
        return len(self.catalogue)

    @cached_property
    def row_episodes(self) -> IntArray:
        """The episode of each step, int64 (n_steps,)."""
        return np.repeat(np.arange(self.n_episodes), np.diff(self.offsets))

    @property
    def row_steps(self) -> IntArray:
        """The place of each step in its episode, int64 (n_steps,), from 0 on."""
        return np.arange(len(self)) - self.offsets[:-1][self.row_episodes]

    @property
    def episode_rows(self) -> list[slice]:
        """The steps of each episode."""
        return [slice(int(a), int(b)) for a, b in pairwise(self.offsets)]

    @property
    def returns(self) -> Float64Array:
        """The sum of each episode's rewards, float64 (n_episodes,)."""
        weights = self.rewards.astype(np.float64)
        return np.bincount(self.row_episodes, weights, self.n_episodes).astype(np.float64)

    def allowed(self, rows: IntArray) -> BoolArray:
        """The items among which the policy chose, bool (len(rows), n_items): those still unseen,
        about which the user can answer.

        Args:
            rows: int64 (N,), steps.
        """
        allowed = np.ones((len(rows), self.n_items), dtype=np.bool_)
        for place, row in enumerate(rows.tolist()):
            episode = self.row_episodes[row]
            allowed[place, self.histories[episode]] = False
            allowed[place, self.unknown[episode]] = False
            allowed[place, self.items[self.offsets[episode] : row]] = False
        return allowed

    def observed(self, policy: Any, rows: IntArray) -> Any:
        """What a policy would see before some steps, in the form that it asks for.

        Args:
            policy: with ``observation`` ("state", "history" or "both", which it is where it does
                not say) and ``history_length`` (50), as :class:`~llmrec_env.evaluation.policies.
                Policy` has them.
            rows: int64 (N,), steps.

        Returns:
            float32 (N, k), int64 (N, history_length), or a dict of the two under ``"state"`` and
            ``"history"``.
        """
        length = getattr(policy, "history_length", None) or HISTORY_LENGTH
        both = {"history": self.recent(rows, length), "state": self.observations[rows]}
        return as_asked(policy, both)

    def recent(self, rows: IntArray, length: int) -> IntArray:
        """The last ``length`` items taken before each step, int64 (len(rows), length), most recent
        last, padded on the left with ``n_items``; as the environment's "history" observation."""
        recent = np.full((len(rows), length), self.n_items, dtype=np.int64)
        for place, row in enumerate(rows.tolist()):
            episode = self.row_episodes[row]
            before = slice(self.offsets[episode], row)
            taken = self.items[before][self.accepted[before]]
            last = np.concatenate([self.histories[episode], taken])[-length:]
            recent[place, length - len(last) :] = last
        return recent

    def interactions(self) -> pl.DataFrame:
        """One row an item: the initial history, then what was shown.

        Columns ``user_id``, ``item_id``, ``time`` (how many the user took before: a position),
        ``label`` (1 taken, 0 shown and not taken) and ``propensity`` (null in initial histories).
        A user's second episode is that of ``user_id#2``, for it does not go on from the first.
        """
        before = np.concatenate(self.histories)
        sizes = np.array([len(history) for history in self.histories], dtype=np.int64)
        owners = np.repeat(np.arange(self.n_episodes), sizes)
        episodes = np.concatenate([owners, self.row_episodes])
        order = np.lexsort((np.arange(len(episodes)) >= len(before), episodes))  # stable
        items = np.concatenate([before, self.items])[order]
        taken = np.concatenate([np.ones(len(before), dtype=np.bool_), self.accepted])[order]
        counts = np.cumsum(taken) - taken
        starts = np.searchsorted(episodes[order], episodes[order])
        known = pl.Series("propensity", self.propensities, dtype=pl.Float64)
        unknown = pl.Series("propensity", [None] * len(before), dtype=pl.Float64)
        return pl.DataFrame(
            {
                "user_id": self._names[episodes[order]],
                "item_id": self.catalogue.table["item_id"][items],
                "time": counts - counts[starts],
                "label": taken.astype(np.int8),
                "propensity": pl.concat([unknown, known])[order],
            }
        )

    @property
    def _names(self) -> pl.Series:
        """A name of its own for each episode, String (n_episodes,)."""
        nth = (pl.int_range(pl.len()).over("user_id") + 1).cast(pl.String)
        later = pl.col("user_id") + "#" + nth
        name = pl.when(nth == "1").then("user_id").otherwise(later)
        return pl.DataFrame({"user_id": self.user_ids}).select(name).to_series()

    def to_log(self) -> InteractionLog:
        """The same as a log: what was taken, with propensities, and skips beside it."""
        name, reading = "collected log", Reading("collected log", order="position")
        log = InteractionLog.from_table(self.catalogue, self.interactions(), name, reading)
        return replace(log, feedback=log.feedback.drop("time"))

    def steps_frame(self) -> pl.DataFrame:
        """One row a step, as ``steps.parquet`` has it."""
        rows = self.row_episodes
        last = np.zeros(len(self), dtype=np.bool_)
        last[self.offsets[1:] - 1] = True
        return pl.DataFrame(
            {
                "episode": rows,
                "user_id": self.user_ids[rows],
                "step": self.row_steps,
                "item_id": self.catalogue.table["item_id"][self.items],
                "propensity": self.propensities,
                "reward": self.rewards,
                "accepted": self.accepted,
                "terminated": last & self.terminated[rows],
                "truncated": last & ~self.terminated[rows],
                "observation": self.observations,
            }
        )

    def episodes_frame(self) -> pl.DataFrame:
        """One row an episode, as ``episodes.parquet`` has it."""
        ids = self.catalogue.table["item_id"]

        def lists(parts: tuple[IntArray, ...]) -> pl.Series:
            return pl.Series([ids[part].to_list() for part in parts], dtype=pl.List(pl.String))

        return pl.DataFrame(
            {
                "episode": np.arange(self.n_episodes),
                "user_id": self.user_ids,
                "initial_history": lists(self.histories),
                "unknown_items": lists(self.unknown),
                "last_observation": self.last_observations,
            }
        )

    @fork_safe
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a folder, whole or not at all."""
        with atomic_path(path) as folder:
            folder.mkdir()
            self.steps_frame().write_parquet(folder / STEPS)
            self.episodes_frame().write_parquet(folder / EPISODES)
            write_json(folder / ABOUT, dict(self.about))
            self.interactions().write_parquet(folder / INTERACTIONS)
            self.catalogue.save(folder / ITEMS)

    @classmethod
    @fork_safe
    def load(cls, path: str | os.PathLike[str]) -> CollectedLog:
        """Read a folder that :meth:`save` or ``llmrec collect`` wrote.

        Raises:
            DataError: it is none, or one of its files is damaged.
        """
        return cls(**read_columns(local_path(path, "collected log")))

    @classmethod
    def joined(cls, parts: Sequence[CollectedLog]) -> CollectedLog:
        """The episodes of several logs over one catalogue, one log after the other."""
        first = parts[0]
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in (*ARRAYS[1:], *PER_EPISODE)
        }
        return cls(
            catalogue=first.catalogue,
            user_ids=pl.concat(part.user_ids for part in parts),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            histories=tuple(history for part in parts for history in part.histories),
            unknown=tuple(items for part in parts for items in part.unknown),
            about=first.about,
            **columns,
        )


def as_asked(policy: Any, both: dict[str, Any]) -> Any:
    """Observations in the form that a policy asks for, of those that have both parts."""
    kind = getattr(policy, "observation", None) or "both"
    return both if kind == "both" else both[kind]
