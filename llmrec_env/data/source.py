"""``Source``: a log with its split, as every experiment and command opens it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import polars as pl

from llmrec_env.common.errors import SettingError, SimulatorError
from llmrec_env.common.files import fingerprint
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.loading import load
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.order import check_order
from llmrec_env.data.read_options import ReadOptions
from llmrec_env.data.splits import Split, split_by_user, split_last_out
from llmrec_env.data.world.generated import World, named_world

WORLD_SIZE = (800, 2000)
"""Items and users of the generated world from which the embedded LE learned."""
NAMED_WORLD = "world:"
"""What stands before the name of a generated world where a dataset could be named."""
SplitBy = Literal["user", "last"]
"""What is held out: users with all that they took, or everybody's last two interactions."""


@dataclass(frozen=True, eq=False)
class Source:
    """A log, its split, and the generated world behind it where there is one.

    Attributes:
        name: what reports call the log.
        log: all interactions.
        split: its training, validation and test parts.
        world: knows the true preferences; None for a log of real users.
    """

    name: str
    log: InteractionLog
    split: Split
    world: World | None = None

    def check_catalogue(self, catalogue: Catalogue, who: str) -> None:
        """Refuse a simulated user that knows other items than the log.

        Args:
            catalogue: the items that it knows.
            who: what to call it in the error.

        Raises:
            SimulatorError: they are others.
        """
        if catalogue.ids != self.log.catalogue.ids:
            raise SimulatorError(
                f"{who} knows other items ({len(catalogue)}) than the log of {self.name} "
                f"({self.log.n_items}): give --data and --simulator that belong together; "
                "`llmrec fit` learns a simulated user from a log"
            )

    def check_learned(self, record: Mapping[str, Any], who: str) -> None:
        """Refuse a simulated user that may have learned from those that evaluate it.

        Args:
            record: what learning wrote down (``LanguageEnvironment.record``).
            who: what to call it in the error.

        Raises:
            SimulatorError: it learned from others than the training users of this split, or from
                other interactions of theirs; an LE that does not say so is let through, and so is
                one of another generated world, whose users have the same names.
        """
        learned = record.get("learning", {}).get("training_users")
        if learned not in (None, self.split.train.users_fingerprint):
            raise SimulatorError(
                f"{who} learned from other users than those that this split trains on, and so "
                "perhaps from those that it would be evaluated on: give the --data, --split and "
                "--seed that `llmrec fit` was given"
            )
        read = record.get("learning", {}).get("training_log")
        if self.world is None and read not in (None, self.split.train.interactions_fingerprint):
            raise SimulatorError(
                f"{who} learned from these users, but from a log that was read otherwise: give the "
                "options that `llmrec fit` was given (--min-rating, --events, --event, --order and "
                "the like)"
            )


def open_source(
    data: str | os.PathLike[str] | None,
    seed: int,
    world_size: tuple[int, int] = WORLD_SIZE,
    read: ReadOptions | None = None,
    ranked: bool = False,
    split: SplitBy = "user",
) -> Source:
    """Read a dataset, or generate a world, and split it.

    Args:
        data: folder or file of a dataset; None generates the embedded LE's world, and
            ``"world:NAME"`` another one (:data:`~llmrec_env.data.world.presets.WORLDS`).
        seed: of the split by user.
        world_size: items and users of the generated world.
        read: how the files of ``data`` are read.
        ranked: whether next items are to be ranked, for which the order of the log must be known.
        split: "user" gives 80, 10 and 10% of the users to the parts (:func:`split_by_user`); "last"
            holds out everybody's last two interactions (:func:`split_last_out`).

    Raises:
        DataError: ``data`` cannot be read (see :func:`llmrec_env.data.loading.load`), or its order
            is unknown and next items are to be ranked.
        SettingError: options of reading are given for the generated world, or there is no world
            of that name.
    """
    if split not in get_args(SplitBy):
        raise SettingError(f"split must be 'user' or 'last', got {split!r}")
    read = read or ReadOptions()
    if (name := named(data)) is not None:
        if read.given:
            raise SettingError(
                f"{', '.join(read.given)} say how files are read; name the files with --data"
            )
        world = named_world(name, 0, *world_size)
        called = "the generated world" if data is None else f"the generated world {name}"
        return Source(called, world.log, _split(world.log, seed, split), world)
    assert data is not None
    log = load(data, **read.keywords)
    if ranked:
        check_order(log, os.fspath(data))
    return Source(os.fspath(data), log, _split(log, seed, split))


def named(data: str | os.PathLike[str] | None) -> str | None:
    """The name of the generated world that ``data`` asks for; None where it is a path."""
    if data is None:
        return "popularity"
    text = os.fspath(data)
    return text.removeprefix(NAMED_WORLD) if text.startswith(NAMED_WORLD) else None


def _split(log: InteractionLog, seed: int, by: SplitBy) -> Split:
    return split_by_user(log, seed) if by == "user" else split_last_out(log)


def log_fingerprint(log: InteractionLog) -> str:
    """A fingerprint of interactions in their order, of their feedback, of skips and of texts."""
    texts = [*log.catalogue.ids, *log.catalogue.sentences, *log.user_ids.to_list()]
    if "event" in log.feedback.columns:  # by which Q-learning is rewarded
        texts += log.feedback["event"].fill_null("").to_list()
        texts += [f"{name} {reward!r}" for name, reward in log.reading.event_rewards.items()]
    known = [log.items.tobytes(), log.offsets.tobytes()]
    for name in ("rating", "liked", "weight"):
        if name in log.feedback.columns:
            told = log.feedback[name].cast(pl.Float32).fill_null(np.nan)
            known += [name.encode(), told.to_numpy().tobytes()]
    if log.skips is not None:
        known += [part.tobytes() for part in (log.skips.items, log.skips.after, log.skips.offsets)]
    return fingerprint([*texts, *known])
