"""``llmrec bench policies``: does the simulator rank policies as the true users would?

A panel of policies is trained, each once, and judged among simulated and true users with the same
luck: trivial ones, recommenders that learned from the log alone or with the LE, agents that learned
among simulated users, and adversaries that look for what the simulator gets wrong.
"""

from llmrec_env.experiments.policy_ranking.run import run_policy_ranking
from llmrec_env.experiments.policy_ranking.settings import PolicyRankingSettings

__all__ = ["PolicyRankingSettings", "run_policy_ranking"]
