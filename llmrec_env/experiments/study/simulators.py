"""The registry of a study's simulators; each is built once for a split, stored and timed.

A new simulator is one function under :func:`register_simulator`. It is called in one process to
learn and in others to load: what takes long it writes into ``folder``, whole or not at all, and
reads there the next time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.common.top_k import Pairs
from llmrec_env.data.log import InteractionLog
from llmrec_env.experiments.study.split_context import SplitContext, as_name
from llmrec_env.users.base import Branches, Feedback, Histories, Labels, Session, UserSimulator

Make = Callable[[SplitContext, Path, "Stopwatch"], UserSimulator]
SIMULATORS: dict[str, Make] = {}
COSTS = "costs.json"


class Stopwatch:
    """CPU seconds by what they went into."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timing(self, what: str) -> Any:
        """Count the seconds of a block."""
        began = time.process_time()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + time.process_time() - began


def register_simulator(name: str) -> Callable[[Make], Make]:
    """Register a function that makes, or loads, the simulated user ``name`` of a split."""

    def register(make: Make) -> Make:
        SIMULATORS[name] = make
        return make

    return register


def build(name: str, context: SplitContext) -> None:
    """Make a simulator of a split and let it label the training users, unless that is done.

    ``costs.json`` holds the CPU seconds by what they went into; those of learning are the last
    try's, where an earlier one was killed.

    Raises:
        SettingError: there is no such simulator.
    """
    home = _home(name, context)
    if is_built(name, context):
        return
    watch = Stopwatch()
    simulator = _make(name)(context, home.path / "model", watch)
    if watch.seconds or not home.has(COSTS):
        home.write(COSTS, watch.seconds)
    with watch.timing("labelling"):
        labels = simulator.label(context.train)
    home.write(COSTS, {**home.read(COSTS), **watch.seconds})
    with home.making("labels") as temporary:
        temporary.mkdir()
        np.save(temporary / "states.npy", labels.states)
        np.save(temporary / "rewards.npy", labels.rewards)


def is_built(name: str, context: SplitContext) -> bool:
    """Whether :func:`build` has nothing left to do."""
    return _home(name, context).has("labels")


def costs(name: str, context: SplitContext) -> dict[str, float]:
    """CPU seconds of a simulator that is built: "learning", "labelling" and others."""
    found: dict[str, float] = _home(name, context).read(COSTS)
    return found


@lru_cache(maxsize=2)
def open_simulator(name: str, context: SplitContext) -> Labelled:
    """A simulator that is built, which knows its labels of the training users by heart."""
    home = _home(name, context).path
    simulator = _make(name)(context, home / "model", Stopwatch())
    # Mapped, not read: processes that work side by side share the states.
    states, rewards = (
        np.asarray(np.load(home / "labels" / f"{part}.npy", mmap_mode="r"))
        for part in ("states", "rewards")
    )
    return Labelled(simulator, context.train, Labels(states, rewards))


def item_vectors(name: str, context: SplitContext) -> FloatArray:
    """Where the states of a simulator that is built point to, float32 (n_items, state_size).

    Raises:
        SettingError: it is no LE, which has such vectors.
    """
    from llmrec_env.users.language import LanguageUser

    simulator = open_simulator(name, context).simulator
    if not isinstance(simulator, LanguageUser):
        raise SettingError(f"{name!r} has no item vectors that embeddings could begin as")
    return simulator.item_vectors


class Labelled(UserSimulator):
    """A simulated user whose labels of one log are known already.

    Attributes:
        simulator: who is asked for the rest.
    """

    def __init__(self, simulator: UserSimulator, log: InteractionLog, labels: Labels) -> None:
        self.catalogue = simulator.catalogue
        self.state_size = simulator.state_size
        self.users = simulator.users
        self.simulator = simulator
        self._log = log
        self._known = labels

    def open(
        self, histories: Histories, users: IntArray | None = None, feedback: Feedback | None = None
    ) -> Session:
        """Begin to ask N users."""
        return self.simulator.open(histories, users, **self.simulator.told(feedback))

    def preferences(self, states: FloatArray) -> FloatArray:
        """The action model: float32 logits (N, n_items)."""
        return self.simulator.preferences(states)

    def best_items(self, states: FloatArray, k: int, exclude: Pairs) -> tuple[IntArray, FloatArray]:
        """The K items that the action model ranks highest."""
        return self.simulator.best_items(states, k, exclude)

    def label(self, log: InteractionLog) -> Labels:
        """States and rewards of a log; nothing is computed for the one that is known."""
        return self._known if log is self._log else self.simulator.label(log)

    def branch(self, log: InteractionLog, actions: IntArray) -> Branches:
        """Rewards and next states of actions tried along a log."""
        return self.simulator.branch(log, actions)


def _make(name: str) -> Make:
    if name not in SIMULATORS:
        raise SettingError(f"no simulator is named {name!r}, only {', '.join(SIMULATORS)}")
    return SIMULATORS[name]


def _home(name: str, context: SplitContext) -> RunFolder:
    return context.folder.part(f"simulators/{as_name(name)}")
