"""Evaluates agents of any library, behind any id of this package, as one function of a batch.

Each chosen user lives one episode with a luck of their own, so that all agents face the same users
with the same luck and their differences are taken in pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from llmrec_env.common.errors import SettingError
from llmrec_env.common.wording import shown
from llmrec_env.envs.common.registration import register_environments
from llmrec_env.envs.common.vector import RulesVectorEnv
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.evaluation.episodes import Agent, Seats, Turn, choose_users, luck_of, play
from llmrec_env.evaluation.intervals import standard_error
from llmrec_env.evaluation.returns import PolicyReturns


def random_agent(turn: Turn) -> Any:
    """Acts at random, drawn from the action space: seen items too."""
    return turn.action_space.sample()


def evaluate_agent(
    agent: Agent,
    id: str,
    episodes: int | None = None,
    seed: int = 0,
    batch_users: int = 64,
    **settings: Any,
) -> PolicyReturns:
    """Let an agent act, one episode a user.

    ```python
    evaluate_agent(lambda turn: model.predict(turn.observations)[0], "LLMRec/NextItem-v1")
    ```

    Args:
        agent: a function of a :class:`Turn` that gives an action for each of its N users.
        id: of an environment with simulated users.
        episodes: how many of the eligible users, drawn without replacement with ``seed``; None
            takes all of them.
        seed: decides the users and their luck, whatever the agent.
        batch_users: users asked at once.
        settings: keywords of the environment, such as ``users`` or ``simulator``.

    Raises:
        SettingError: ``agent`` is no function, no simulated users stand behind the id, or more
            episodes are asked for than users are eligible.
    """
    if not callable(agent):
        raise SettingError(
            "an agent is a function of a Turn, such as lambda turn: "
            f"model.predict(turn.observations)[0]; got {shown(agent)}"
        )
    register_environments()

    def make(num_envs: int) -> RulesVectorEnv[Any]:
        env: Any = gym.make_vec(id, num_envs=num_envs, autoreset="disabled", **settings)
        return env

    histories = _initial_histories(make(1), id)
    chosen = choose_users(histories, episodes, seed)
    env = make(min(batch_users, len(chosen)))
    env.action_space.seed(seed)
    luck = luck_of(histories.log.n_users, seed)[chosen]
    seats = Seats(env, histories.ids[chosen], luck)
    results = play(agent, seats)
    ids = tuple(str(user_id) for user_id in seats.user_ids)
    return PolicyReturns(ids, *results, mask_seen=False, seed=seed)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What agents earn beside random actions, from the same users with the same luck.

    Attributes:
        random: the returns of random actions.
        returns: those of each agent.
    """

    random: PolicyReturns
    returns: dict[str, PolicyReturns]

    def errors_above_random(self, name: str) -> float:
        """By how many standard errors an agent is above random, user by user."""
        gain = self.returns[name].returns - self.random.returns
        return float(gain.mean()) / max(standard_error(gain), np.finfo(np.float64).tiny)

    def __str__(self) -> str:
        lines = [_line("random", self.random)]
        for name, returns in self.returns.items():
            above = self.errors_above_random(name)
            lines.append(f"{_line(name, returns)} · {above:+.1f} standard errors above random")
        return "\n".join(lines)


def compare_agents(
    agents: Mapping[str, Agent],
    id: str,
    episodes: int | None = None,
    seed: int = 0,
    **settings: Any,
) -> Comparison:
    """Evaluate agents and random actions; printed, it is a line for each.

    Seen items are not masked unless an agent masks them, so the returns are not those of
    :func:`~llmrec_env.evaluation.returns.evaluate_policy`, which masks them.

    Args:
        agents: the agents under their names.
        id: as in :func:`evaluate_agent`, like all that follow.
        episodes: how many users.
        seed: decides the users and their luck.
        settings: keywords of the environment.

    Raises:
        SettingError: as :func:`evaluate_agent`.
    """
    random, *returns = (
        evaluate_agent(agent, id, episodes, seed, **settings)
        for agent in (random_agent, *agents.values())
    )
    return Comparison(random, dict(zip(agents, returns, strict=True)))


def _initial_histories(env: RulesVectorEnv[Any], id: str) -> InitialHistories:
    found = getattr(getattr(env, "rules", None), "initial_histories", None)
    if not isinstance(found, InitialHistories):
        raise SettingError(f"no simulated users stand behind {id}: give an id such as NextItem's")
    return found


def _line(name: str, returns: PolicyReturns) -> str:
    return f"{name:<8} return {returns.mean:6.2f} ± {returns.standard_error:.2f}"
