"""The recommender for verifiers: ``vf.load_environment(
"llmrec_env.envs.language_agents.verifiers.recommend", …)``."""

from __future__ import annotations

from functools import partial
from typing import Any

from llmrec_env.common.checks import check_whole
from llmrec_env.envs.language_agents.recommend_loop import RecommendLoop
from llmrec_env.envs.language_agents.verifiers.environment import LoopEnvironment


def load_environment(
    users: int = 500, eval_users: int = 100, seed: int = 0, **settings: Any
) -> LoopEnvironment:
    """A user to recommend to an episode, as verifiers asks.

    Args:
        users, eval_users: episodes to train and to evaluate with.
        seed: of the first of them; each has the next one, those to evaluate with after the others.
        settings: of :class:`~llmrec_env.envs.language_agents.recommend_loop.RecommendLoop`.

    Raises:
        SettingError: an argument has no such value.
    """
    first = check_whole("seed", seed, 0)
    last = first + check_whole("users", users, 1)
    seeds = {
        "train": range(first, last),
        "eval": range(last, last + check_whole("eval_users", eval_users, 1)),
    }
    make = partial(RecommendLoop, **settings)
    resets = {part: [{"seed": own} for own in numbers] for part, numbers in seeds.items()}
    return LoopEnvironment(dict.fromkeys(seeds, make), resets)
