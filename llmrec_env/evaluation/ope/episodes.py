"""``LoggedEpisodes`` and ``Target``: what an estimate of a policy from another's log needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from llmrec_env.common.arrays import Float64Array, FloatArray, IntArray
from llmrec_env.common.errors import DataError

ROWS = 1024
"""Steps whose probabilities of all actions are held at once."""
Probabilities = Callable[[IntArray], Float64Array]
"""From N rows of a log to float64 (N, n_actions): how likely a policy shows each action there."""


@dataclass(frozen=True, eq=False)
class LoggedEpisodes:
    """Whole episodes of a logging policy; episode ``e`` owns ``offsets[e] : offsets[e + 1]``.

    Attributes:
        offsets: int64 (n_episodes + 1,).
        actions: int64 (n_steps,), what was shown.
        rewards: float64 (n_steps,).
        propensities: float64 (n_steps,), in (0, 1], how likely the logging policy showed it.
        observations: float32 (n_steps, k), from which values are learned; none where empty.
        owners: int64 (n_episodes,), the user of each episode: episodes of one user go together in
            intervals. Each has its own where empty.

    Raises:
        DataError: these do not fit together, or an episode is empty.
    """

    offsets: IntArray
    actions: IntArray
    rewards: Float64Array
    propensities: Float64Array
    observations: FloatArray = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    owners: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __post_init__(self) -> None:
        kinds = {"rewards": np.float64, "propensities": np.float64, "observations": np.float32}
        for name in ("offsets", "actions", "rewards", "propensities", "observations", "owners"):
            values = np.asarray(getattr(self, name), dtype=kinds.get(name, np.int64))
            object.__setattr__(self, name, values)
        if not len(self.owners):
            object.__setattr__(self, "owners", np.arange(self.n_episodes))
        steps = {len(self.actions), len(self.rewards), len(self.propensities)}
        if self.n_episodes < 1 or steps != {int(self.offsets[-1])} or self.lengths.min() < 1:
            raise DataError(
                f"logged episodes: offsets must name one or more episodes of at least one step, "
                f"{int(self.offsets[-1])} steps in all; the columns have {sorted(steps)}"
            )
        if len(self.owners) != self.n_episodes or len(self.observations) not in (0, len(self)):
            raise DataError(
                "logged episodes: give an owner for each episode, and an observation for each step"
            )
        if not ((self.propensities > 0) & (self.propensities <= 1)).all():
            raise DataError("logged episodes: propensities must lie above 0 and at most at 1")

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def n_episodes(self) -> int:
        """Number of episodes."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> IntArray:
        """Steps of each episode, int64 (n_episodes,)."""
        return np.diff(self.offsets)

    def one_step(self) -> LoggedEpisodes:
        """Every step as an episode of its own, still its user's.

        Estimates of them are of what a policy earns at a step that the logging policy led to: no
        return, but weights do not multiply, and policies are often in the same order.
        """
        owners = np.repeat(self.owners, self.lengths)
        return replace(self, offsets=np.arange(len(self) + 1), owners=owners)

    def table(self, values: ArrayLike, rest: float = 0.0) -> Float64Array:
        """Values of the steps, float64 (n_steps,), as (n_episodes, longest); ``rest`` beyond."""
        episodes = np.repeat(np.arange(self.n_episodes), self.lengths)
        steps = np.arange(len(self)) - self.offsets[:-1][episodes]
        table = np.full((self.n_episodes, int(self.lengths.max())), rest)
        table[episodes, steps] = values
        return table


@dataclass(frozen=True, eq=False)
class Target:
    """What the policy that is to be evaluated would do at the steps of a log.

    Attributes:
        probabilities: float64 (n_steps,), how likely it shows the logged action.
        draws: int64 (n_steps, K), actions drawn from it, of which values are learned.
        cluster_probabilities: float64 (n_steps,), how likely it shows an item of the logged one's
            cluster; empty where there are no clusters.
    """

    probabilities: Float64Array
    draws: IntArray = field(default_factory=lambda: np.empty((0, 0), dtype=np.int64))
    cluster_probabilities: Float64Array = field(default_factory=lambda: np.empty(0))


def read_target(
    probabilities: Probabilities,
    episodes: LoggedEpisodes,
    clusters: IntArray | None = None,
    draws: int = 0,
    seed: int = 0,
) -> Target:
    """Ask a policy about every step of a log, a few steps at a time.

    Args:
        probabilities: how likely it shows every action at some steps.
        episodes: the log.
        clusters: int64 (n_actions,), the cluster of each action, where they count.
        draws: actions to draw from it at each step.
        seed: of these.

    Raises:
        DataError: these are no distributions over the actions.
    """
    generator = np.random.default_rng(seed)
    shares, together, drawn = [], [], []
    for start in range(0, len(episodes), ROWS):
        rows = np.arange(start, min(start + ROWS, len(episodes)))
        told = np.asarray(probabilities(rows), dtype=np.float64)
        _check(told, len(rows), episodes.actions[rows])
        shares.append(told[np.arange(len(rows)), episodes.actions[rows]])
        if clusters is not None:
            together.append(cluster_shares(told, clusters, episodes.actions[rows]))
        luck = generator.random((len(rows), draws))
        reached = told.cumsum(axis=1)
        for row, own in enumerate(luck):
            drawn.append(reached[row].searchsorted(own * reached[row, -1], side="right"))
    return Target(
        np.concatenate(shares),
        np.array(drawn, dtype=np.int64).reshape(len(episodes), draws),
        np.concatenate(together) if together else np.empty(0),
    )


def cluster_shares(
    probabilities: Float64Array, clusters: IntArray, actions: IntArray
) -> Float64Array:
    """How likely an action of the same cluster as the logged one is shown, float64 (N,).

    Args:
        probabilities: float64 (N, n_actions).
        clusters: int64 (n_actions,), the cluster of each.
        actions: int64 (N,), the logged ones.
    """
    same = clusters == clusters[actions][:, None]
    shares: Float64Array = (probabilities * same).sum(axis=1)
    return np.minimum(shares, 1.0)


def _check(told: Float64Array, rows: int, actions: IntArray) -> None:
    shaped = told.ndim == 2 and len(told) == rows and told.shape[1] > actions.max()
    if not shaped or (told < 0).any() or (np.abs(told.sum(axis=1) - 1) > 1e-6).any():
        raise DataError(
            "the evaluated policy must give one probability an action, rows that sum to one; got "
            f"an array of shape {told.shape} for {rows} steps"
        )
