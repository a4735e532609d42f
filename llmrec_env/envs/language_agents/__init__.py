"""Doors for agents that are language models: tools, and loops of texts.

Nothing here imports a framework: each takes plain classes, and finds what it asks for in these.
"""

from llmrec_env.envs.language_agents.recommend_loop import RecommendLoop
from llmrec_env.envs.language_agents.recommend_tools import RecommendTools, user_rows
from llmrec_env.envs.language_agents.shop_tools import ShopTools, goal_rows
from llmrec_env.envs.language_agents.text_loops import TextLoop, TextLoops

__all__ = [
    "RecommendLoop",
    "RecommendTools",
    "ShopTools",
    "TextLoop",
    "TextLoops",
    "goal_rows",
    "user_rows",
]
