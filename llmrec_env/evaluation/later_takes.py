"""``later_takes``: how much of what people took later a policy would have shown them.

The usual offline evaluation of recommenders, as a judge of policies: nobody is simulated and nobody
is asked. It sees only what the log's own recommender led people to, so it favours policies that
show what was popular anyway.
"""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import Float64Array, IntArray, chunks
from llmrec_env.common.checks import check_counts
from llmrec_env.common.top_k import top_k
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv
from llmrec_env.evaluation.episodes import Seats, choose_users, luck_of
from llmrec_env.evaluation.policies import Policy, allowed_scores
from llmrec_env.evaluation.returns import begin, observation_settings
from llmrec_env.users.base import UserSimulator

SHOWN = 20
"""Items that a policy would show, those that it puts first."""


def later_takes(
    policy: Policy,
    observer: UserSimulator,
    episodes: int | None = None,
    seed: int = 0,
    k: int = SHOWN,
    batch_users: int = 64,
) -> Float64Array:
    """Count, of the K unseen items that a policy puts first, those that the user took later.

    Users, their initial histories and their order are those of
    :func:`~llmrec_env.evaluation.returns.evaluate_policy` with the same episodes and seed, so the
    counts go together with its returns.

    Args:
        policy: who recommends.
        observer: whose states the policy reads; its users are those who took things later.
        episodes: how many of the eligible users; None takes all of them.
        seed: decides the users.
        k: items shown.
        batch_users: users at once.

    Returns:
        float64 (n_episodes,), between 0 and K.

    Raises:
        SettingError: more episodes are asked for than users are eligible, or K is no count.
        DataError: the policy's scores have another shape, or it was fitted on another catalogue.
    """
    check_counts(k=k)
    assert observer.users is not None
    people = InitialHistories(observer.users)
    chosen = choose_users(people, episodes, seed)
    luck = luck_of(observer.users.n_users, seed)
    env = NextItemVectorEnv(
        num_envs=min(batch_users, len(chosen)),
        autoreset="disabled",
        simulator=observer,
        **observation_settings(policy),
    )
    begin(policy, observer, env)
    everybody = np.ones(env.num_envs, dtype=np.bool_)
    found = []
    for users in chunks(chosen, env.num_envs):
        seated = np.resize(users, env.num_envs)  # the last rows are filled up
        observations = Seats(env, people.ids[seated], luck[seated]).open(everybody)
        shown, _ = top_k(allowed_scores(policy, observations, env.action_masks()), k)
        found += [_hits(people, int(user), row) for user, row in zip(users, shown, strict=False)]
    return np.array(found, dtype=np.float64)


def _hits(people: InitialHistories, user: int, shown: IntArray) -> int:
    later = people.log.sequence(user)[people.cuts[user] :]
    return int(np.isin(shown, later).sum())
