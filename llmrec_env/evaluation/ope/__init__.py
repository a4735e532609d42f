"""Off-policy evaluation: what a policy would earn, estimated from the log of another one.

Importance sampling, per decision and self-normalised; the direct method and doubly robust estimates
with d3rlpy's fitted Q evaluation; estimates marginalised over clusters of items, for catalogues in
which no log shows everything; effective sample sizes, and bootstrap intervals over users.
"""

from llmrec_env.evaluation.ope.collected import (
    cluster_propensities,
    evaluate_on_log,
    item_clusters,
    logged_episodes,
    probabilities_of,
)
from llmrec_env.evaluation.ope.episodes import LoggedEpisodes, Target, read_target
from llmrec_env.evaluation.ope.estimators import Values, effective_sample_size
from llmrec_env.evaluation.ope.evaluation import (
    OffPolicyEstimate,
    OffPolicyEvaluation,
    evaluate_off_policy,
)

__all__ = [
    "LoggedEpisodes",
    "OffPolicyEstimate",
    "OffPolicyEvaluation",
    "Target",
    "Values",
    "cluster_propensities",
    "effective_sample_size",
    "evaluate_off_policy",
    "evaluate_on_log",
    "item_clusters",
    "logged_episodes",
    "probabilities_of",
    "read_target",
]
