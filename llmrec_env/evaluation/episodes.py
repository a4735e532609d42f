"""Plays episodes: one a chosen user, whose luck follows from the seed and the user alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.common.progress import progress_bar
from llmrec_env.envs.common.vector import RulesVectorEnv
from llmrec_env.envs.next_item.initial_histories import InitialHistories


@dataclass(frozen=True, eq=False)
class Turn:
    """What an agent reads before it acts for N users at once.

    Attributes:
        observations: N observations, in the batched form of the environment.
        starts: bool (N,), true where an episode begins: a recurrent agent forgets there.
        action_space: the space of N actions, seeded.
        masks: a function without arguments; bool (N, number of actions), true where an action makes
            sense; of lists, place after place. Environments whose actions are points have none.
    """

    observations: Any
    starts: BoolArray
    action_space: spaces.Space[Any]
    masks: Callable[[], BoolArray]


Agent = Callable[[Turn], Any]
"""Whatever answers a :class:`Turn` with N actions."""

Earned = tuple[Float64Array, IntArray, IntArray]


class Seats:
    """The rows of an environment with ``autoreset="disabled"``, taken by one user after the other.

    Rows for which no user is left replay the last one, as an episode behind the results.

    Args:
        env: the environment.
        user_ids: whose episodes to play, in this order.
        seeds: one for each of them.
    """

    def __init__(self, env: RulesVectorEnv[Any], user_ids: NDArray[Any], seeds: IntArray) -> None:
        self.env = env
        self.user_ids = user_ids
        self.episodes = len(user_ids)
        self.sitting = np.arange(env.num_envs)
        self._seeds = seeds

    def open(self, rows: BoolArray) -> Any:
        """Open the episodes of those who sit in ``rows``, each with a seed of its own."""
        episode = np.minimum(self.sitting, self.episodes - 1)
        options = {"reset_mask": rows, "user_id": self.user_ids[episode]}
        return self.env.reset(seed=self._seeds[episode].tolist(), options=options)[0]

    def pass_on(self, rows: BoolArray) -> None:
        """Seat the next users in ``rows``."""
        following = self.sitting.max() + 1 + np.arange(np.count_nonzero(rows))
        self.sitting[rows] = np.minimum(following, self.episodes)


def choose_users(initial_histories: InitialHistories, episodes: int | None, seed: int) -> IntArray:
    """The users of an evaluation, rows of the log, drawn without replacement.

    Raises:
        SettingError: more episodes are asked for than users are eligible.
    """
    eligible = initial_histories.eligible
    count = len(eligible) if episodes is None else episodes
    if not 1 <= count <= len(eligible):
        raise SettingError(
            f"episodes must lie in [1, {len(eligible)}], the number of eligible users; got {count}"
        )
    return np.random.default_rng(seed).permutation(eligible)[:count]


def luck_of(n_users: int, seed: int) -> IntArray:
    """The seed of each user's episode, whatever the agent."""
    return np.random.default_rng(seed).integers(2**31, size=n_users)


def play(
    agent: Agent, seats: Seats, watch: Callable[[dict[str, Any]], None] | None = None
) -> Earned:
    """Let an agent act in all episodes; returns, accepted items and lengths, (episodes,) each.

    Args:
        agent: who acts.
        seats: the rows.
        watch: is shown the ``infos`` of each step, while those who took it still sit there.
    """
    env, sitting, episodes = seats.env, seats.sitting, seats.episodes
    returns = np.zeros(episodes + 1)
    accepted, lengths = np.zeros((2, episodes + 1), dtype=np.int64)
    starts = np.ones(env.num_envs, dtype=np.bool_)
    observations = seats.open(starts)
    with progress_bar("episodes", episodes) as advance:
        while (sitting < episodes).any():
            actions = agent(Turn(observations, starts, env.action_space, env.action_masks))
            observations, rewards, terminated, truncated, infos = env.step(actions)
            returns[sitting] += rewards
            accepted[sitting] += infos["accepted"]
            lengths[sitting] += 1
            if watch is not None:
                watch(infos)
            starts = terminated | truncated
            if starts.any():
                advance(int((sitting[starts] < episodes).sum()), "")
                seats.pass_on(starts)
                observations = seats.open(starts)
    return returns[:-1], accepted[:-1], lengths[:-1]
