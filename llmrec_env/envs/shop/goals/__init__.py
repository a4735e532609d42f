"""Shopping goals: what is to be bought, how goals are made, and their train and test splits."""

from llmrec_env.envs.shop.goals.goal import NO_LIMIT, Goal, GoalSet, Options, split_goals
from llmrec_env.envs.shop.goals.paraphrased import paraphrased_goals
from llmrec_env.envs.shop.goals.synthetic import (
    draw_limits,
    draw_prices,
    human_goals,
    synthetic_goals,
)

__all__ = [
    "NO_LIMIT",
    "Goal",
    "GoalSet",
    "Options",
    "draw_limits",
    "draw_prices",
    "human_goals",
    "paraphrased_goals",
    "split_goals",
    "synthetic_goals",
]
