"""The interfaces of an environment's parts: ``Rules`` (its dynamics), ``Observations``, ``Infos``.

A row is one episode with a random generator of its own. The single environment is the rules with
one row (:mod:`llmrec_env.envs.common.single`), the vector environment the same rules with many
(:mod:`llmrec_env.envs.common.vector`), so both follow the same ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray, KeepsArrays
from llmrec_env.common.checks import check_counts


class Outcome(Protocol):
    """What one step brought to N rows; an environment adds what else it has to tell."""

    @property
    def reward(self) -> NDArray[np.floating[Any]]:
        """The rewards, (N,)."""

    @property
    def terminated(self) -> BoolArray:
        """Which episodes terminated, bool (N,)."""


OutcomeT = TypeVar("OutcomeT", bound=Outcome)
TellsOf = TypeVar("TellsOf", bound=Outcome, contravariant=True)


class Rules(KeepsArrays, ABC, Generic[OutcomeT]):
    """The rules of an environment over N rows.

    Args:
        num_rows: how many episodes go on at once, N.

    Attributes:
        option: the name of the reset option that says where a row starts.
        action_space: the space of one row's actions.
        generators: one random generator a row; the environment sets them before the first
            :meth:`begin`.
        steps: int64 (N,), steps taken in the episode.
        limit: steps after which an episode is cut, or None. This one number decides truncation and
            "steps left".

    Raises:
        SettingError: there is less than one row.
    """

    option: ClassVar[str]
    action_space: spaces.Space[Any]

    def __init__(self, num_rows: int) -> None:
        check_counts(num_envs=num_rows)
        self.num_rows = num_rows
        self.generators: list[np.random.Generator] = []
        self.steps = np.zeros(num_rows, dtype=np.int64)
        self.limit: int | None = None

    @abstractmethod
    def starts(self, wanted: Sequence[Any]) -> list[int | None]:
        """What :meth:`begin` takes for M values of the reset option; nothing changes.

        Raises:
            LLMRecError: there is no such start.
        """

    @abstractmethod
    def begin(self, rows: IntArray, starts: Sequence[int | None] | None = None) -> None:
        """Start new episodes in ``rows``.

        Args:
            rows: int64 (M,), ascending; all of them the first time.
            starts: what :meth:`starts` gave; where None, the row's generator draws.
        """

    @abstractmethod
    def step(self, actions: Any, playing: BoolArray) -> OutcomeT:
        """Do an action in each row of ``playing`` bool (N,); the others do not change.

        Raises:
            InvalidAction: the actions do not fit the rows, or one is no action; no row changed.
        """

    @abstractmethod
    def action_masks(self) -> BoolArray:
        """Which actions make sense, bool (N, number of actions)."""

    def over_limit(self) -> BoolArray:
        """Which episodes have had all their steps, bool (N,)."""
        if self.limit is None:
            return np.zeros(self.num_rows, dtype=np.bool_)
        return self.steps >= self.limit

    def first_over_limit(self) -> bool:
        """Whether the first row's episode has had all its steps, without arrays on the way."""
        return self.limit is not None and bool(self.steps[0] >= self.limit)

    def steps_left(self) -> Float64Array:
        """Steps left as a share of the limit, float64 (N,); 1 where there is none."""
        if self.limit is None:
            return np.ones(self.num_rows)
        return np.maximum(1.0 - self.steps / self.limit, 0.0)


class Observations(Protocol):
    """Makes observations of the rows of some rules."""

    space: spaces.Space[Any]
    """The space of one row's observation."""

    def observe(self) -> Any:
        """What is seen of all rows, fresh, in the batched form of :attr:`space`."""

    def observe_first(self) -> Any:
        """What is seen of the first row."""


class Infos(Protocol[TellsOf]):
    """Writes ``info`` about the rows of some rules."""

    def infos(self, rows: BoolArray, begun: BoolArray, outcome: TellsOf | None) -> dict[str, Any]:
        """Gymnasium's vector form, :mod:`llmrec_env.envs.common.infos`.

        Args:
            rows: bool (N,), which rows to tell of.
            begun: bool (N,), those that have just started an episode; the other rows took a step.
            outcome: what the step brought, None after a reset.
        """

    def first_info(self, outcome: TellsOf | None) -> dict[str, Any]:
        """The first row's, in plain values."""
