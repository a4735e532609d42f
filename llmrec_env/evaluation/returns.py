"""Evaluates policies: their returns in episodes of simulated users, compared user by user.

Each chosen user lives one episode. The luck of a user, the draws that decide what is taken, follows
from the seed and the user alone, so two policies face the same users with the same luck and their
difference is taken in pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from llmrec_env.common.arrays import Float64Array, IntArray
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.common.registration import MAX_EPISODE_STEPS
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.envs.next_item.simulators import resolve_simulator
from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv
from llmrec_env.evaluation.episodes import Seats, Turn, choose_users, luck_of, play
from llmrec_env.evaluation.intervals import Interval, interval, standard_error
from llmrec_env.evaluation.policies import Policy, greedy_actions
from llmrec_env.evaluation.stochastic import StochasticPolicy, draw_actions
from llmrec_env.users.base import UserSimulator


@dataclass(frozen=True, eq=False)
class PolicyReturns:
    """What one policy earned from each user.

    Attributes:
        user_ids: external ids, in an order that follows from the seed, (n_episodes,).
        returns: float64 (n_episodes,), the sum of an episode's rewards.
        accepted: int64 (n_episodes,), items taken.
        lengths: int64 (n_episodes,), steps.
        mask_seen: whether seen items were masked.
        seed: the seed of the evaluation.
    """

    user_ids: tuple[str, ...]
    returns: Float64Array
    accepted: IntArray
    lengths: IntArray
    mask_seen: bool
    seed: int

    @property
    def mean(self) -> float:
        """Mean return."""
        return float(self.returns.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of the mean return, over users; NaN for one user."""
        return standard_error(self.returns)

    @property
    def ci95(self) -> tuple[float, float]:
        """95% interval of the mean return."""
        return interval(self.returns)[1:]

    def difference(self, other: PolicyReturns) -> Interval:
        """Mean of this return minus the other's, user by user.

        Raises:
            DataError: the two did not face the same users with the same seed.
        """
        if self.user_ids != other.user_ids or self.seed != other.seed:
            apart = (
                f"seeds {self.seed} and {other.seed}"
                if self.seed != other.seed
                else f"{len(self.user_ids)} and {len(other.user_ids)} users, "
                f"{len(set(self.user_ids) & set(other.user_ids))} of them the same"
            )
            raise DataError(
                "returns are compared in pairs: evaluate both policies with the same users, "
                f"episodes and seed (here {apart})"
            )
        return interval(self.returns - other.returns)

    def summary(self) -> dict[str, float | int | bool]:
        """The numbers of a table's row."""
        low, high = self.ci95
        return {
            "return": self.mean,
            "return_low": low,
            "return_high": high,
            "accepted": float(self.accepted.mean()),
            "length": float(self.lengths.mean()),
            "episodes": len(self.returns),
            "mask_seen": self.mask_seen,
        }


def evaluate_policy(
    policy: Policy,
    simulator: UserSimulator | str | None = None,
    users: InteractionLog | None = None,
    episodes: int | None = None,
    seed: int = 0,
    mask_seen: bool = True,
    max_episode_steps: int | None = MAX_EPISODE_STEPS,
    batch_users: int = 64,
    **settings: Any,
) -> PolicyReturns:
    """Let a policy recommend, one episode a user.

    It shows its best-scored item at every step; a :class:`StochasticPolicy` draws.

    Args:
        policy: who recommends.
        simulator: who answers, as in :class:`NextItemEnv`.
        users: the users, instead of the simulator's own.
        episodes: how many of the eligible users, drawn without replacement with ``seed``; None
            takes all of them.
        seed: decides the users and their luck, whatever the policy.
        mask_seen: whether the policy chooses among unseen items only.
        max_episode_steps: the time limit.
        batch_users: users asked at once.
        settings: further keywords of :class:`NextItemVectorEnv`, such as ``patience``.

    Returns:
        The returns, user by user.

    Raises:
        SettingError: ``policy`` is none, or more episodes are asked for than users are eligible.
        DataError: the policy's scores have another shape, or it was fitted on another catalogue.
    """
    if not hasattr(policy, "action_scores"):
        raise SettingError(
            f"a policy scores actions (action_scores), and {type(policy).__name__} does not; wrap "
            "a model of stable-baselines3 in SB3Policy, one of d3rlpy in D3rlpyPolicy"
        )
    own = {name: settings.pop(name, None) for name in ("accept_rate", "remember_skips")}
    simulator = resolve_simulator(simulator, users, **own)
    assert simulator.users is not None
    chosen = choose_users(InitialHistories(simulator.users), episodes, seed)
    env = NextItemVectorEnv(
        num_envs=min(batch_users, len(chosen)),
        max_episode_steps=max_episode_steps,
        autoreset="disabled",
        simulator=simulator,
        **(observation_settings(policy) | settings),
    )
    begin(policy, simulator, env)
    luck = luck_of(simulator.users.n_users, seed)[chosen]
    seats = Seats(env, env.rules.initial_histories.ids[chosen], luck)
    everything = np.ones((env.num_envs, env.n_items), dtype=np.bool_)

    generator = np.random.default_rng(seed)

    def recommend(turn: Turn) -> IntArray:
        allowed = turn.masks() if mask_seen else everything
        if not isinstance(policy, StochasticPolicy):
            return greedy_actions(policy, turn.observations, allowed)
        shares = policy.action_probabilities(turn.observations, allowed)
        return draw_actions(shares, generator.random(len(shares)))

    results = play(recommend, seats)
    ids = tuple(str(user_id) for user_id in seats.user_ids)
    return PolicyReturns(ids, *results, mask_seen=mask_seen, seed=seed)


def begin(policy: Policy, simulator: UserSimulator, env: NextItemVectorEnv) -> None:
    """Let a policy check where it is to act, and begin.

    Raises:
        LLMRecError: it learned among other items, or on other observations.
    """
    if hasattr(policy, "check_catalogue"):
        policy.check_catalogue(simulator.catalogue)
    if hasattr(policy, "check_observations"):
        policy.check_observations(env.single_observation_space, simulator.state_size)
    if hasattr(policy, "begin"):
        policy.begin(env.n_items)


def at_most(episodes: int, users: InteractionLog) -> int:
    """That many episodes, or as many as there are users who can start one."""
    return min(episodes, len(InitialHistories(users).eligible))


def observation_settings(policy: Policy) -> dict[str, Any]:
    """The form of observation that a policy asks for."""
    wanted = {name: getattr(policy, name, None) for name in ("observation", "history_length")}
    return {"observation": "both"} | {k: v for k, v in wanted.items() if v is not None}
