"""``llmrec bench improve``: what does each step of RL add to the recommender that it began with?

A recommender learns from the log and is then improved among simulated users, paid as they are or
with doubt. After each step it is judged beside the recommender that it began with, among simulated
and, where they are known, true users: the same people with the same luck.
"""

from llmrec_env.experiments.improvement.run import run_improvement
from llmrec_env.experiments.improvement.settings import ImprovementSettings

__all__ = ["ImprovementSettings", "run_improvement"]
