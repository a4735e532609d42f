"""Does looking ahead pay in the simulator if, and only if, it pays among true users?

One uses reinforcement learning where the best choice now is not the best in the long run: where
more of the same wearies users, say. A simulator is of use for that if it agrees with true users on
the sign of what a policy that looks ahead gains over the greedy one. Here the greedy policy is the
simulator's own choice, :class:`~llmrec_env.evaluation.cool_down.CoolDownPolicy` looks ahead in the
simplest way, and more of the same is what it warns of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.next_item.initial_histories import MIN_INITIAL_ITEMS
from llmrec_env.evaluation.cool_down import CoolDownPolicy
from llmrec_env.evaluation.intervals import Interval
from llmrec_env.evaluation.policies import Policy, PreferencePolicy
from llmrec_env.evaluation.returns import at_most, evaluate_policy
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.states_from import StatesFrom
from llmrec_env.users.true_taste import TrueTasteUser

WEIGHTS = (0.5, 2.0, -2.0)
"""How much less is shown of what was just taken: a little, much; and more of the same."""
EPISODES = 100
"""Users who have an episode, at most."""


@dataclass(frozen=True)
class Gain:
    """What a policy gains over the greedy one, the return of an episode, user by user.

    Attributes:
        greedy: mean return of the greedy policy among simulated users.
        simulated: the gain among them, with its 95% interval over users.
        true_greedy: mean return of the greedy policy among true users; None where they are unknown.
        true: the gain among them, with the same luck; None where they are unknown.
    """

    greedy: float
    simulated: Interval
    true_greedy: float | None = None
    true: Interval | None = None

    @property
    def agrees(self) -> bool | None:
        """Whether both have the same sign; None where the truth is unknown."""
        if self.true is None:
            return None
        return (self.simulated.mean > 0) == (self.true.mean > 0)

    @property
    def contradicts(self) -> bool:
        """Whether they say the opposite, each beyond chance."""
        if self.true is None:
            return False
        lower, higher = sorted((self.simulated, self.true), key=lambda own: own.mean)
        return lower.high < 0 < higher.low


def gains_over_greedy(
    simulator: UserSimulator,
    users: InteractionLog,
    truth: UserSimulator | None = None,
    weights: Sequence[float] = WEIGHTS,
    episodes: int = EPISODES,
    seed: int = 0,
) -> dict[str, Gain]:
    """Let the greedy policy and some others recommend to simulated and to true users.

    Policies see the simulator's states in both worlds, and all meet the same users with the same
    luck.

    Args:
        simulator: whose own choice is the greedy policy.
        users: who starts episodes; from whom it never learned.
        truth: true users, who are asked about those of ``users`` whom they know.
        weights: of the other policies (:class:`CoolDownPolicy`).
        episodes: at most.
        seed: of the choice of users and of their luck.

    Returns:
        By name of the policy; empty where the simulator names no items by itself, or nobody can
        start an episode.
    """
    if truth is not None:
        assert truth.users is not None
        known = set(truth.users.user_ids)
        rows = [row for row, name in enumerate(users.user_ids) if name in known]
        users = users.select_users(rows)
    if not simulator.has_action_model or not (users.lengths > MIN_INITIAL_ITEMS).any():
        return {}
    worlds = [simulator.with_users(users)]
    if truth is not None:
        true = truth.with_users(users)
        by_name = isinstance(simulator, TrueTasteUser)  # true users themselves, known by name
        worlds.append(true if by_name else StatesFrom(true, simulator))
    ahead = [CoolDownPolicy(simulator, weight) for weight in weights]
    policies: list[Policy] = [PreferencePolicy(simulator), *ahead]
    earned = [
        [
            evaluate_policy(own, world, episodes=at_most(episodes, users), seed=seed)
            for own in policies
        ]
        for world in worlds
    ]
    found = {}
    for place, policy in enumerate(ahead, start=1):
        parts: list[float | Interval] = []
        for own in earned:
            parts += [own[0].mean, own[place].difference(own[0])]
        found[policy.name] = Gain(*parts)  # type: ignore[arg-type]
    return found
