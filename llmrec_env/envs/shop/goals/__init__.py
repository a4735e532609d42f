"""Shopping goals: what is to be bought, how goals are made, and their train and test splits."""

from llmrec_env.envs.shop.goals.goal import (
    NO_LIMIT,
    SPLIT_BY,
    SPLITS,
    Goal,
    GoalSet,
    Options,
    in_split,
    published_order,
    published_split,
    split_goals,
    split_names,
)
from llmrec_env.envs.shop.goals.own import goal_fault
from llmrec_env.envs.shop.goals.paraphrased import limited_goals, paraphrase
from llmrec_env.envs.shop.goals.synthetic import (
    draw_limits,
    draw_prices,
    human_goals,
    synthetic_goals,
)

__all__ = [
    "NO_LIMIT",
    "SPLITS",
    "SPLIT_BY",
    "Goal",
    "GoalSet",
    "Options",
    "draw_limits",
    "draw_prices",
    "goal_fault",
    "human_goals",
    "in_split",
    "limited_goals",
    "paraphrase",
    "published_order",
    "published_split",
    "split_goals",
    "split_names",
    "synthetic_goals",
]
