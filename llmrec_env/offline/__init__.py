"""Offline RL datasets: a log as transitions, optionally augmented by a simulator.

What needs d3rlpy stands in :mod:`llmrec_env.offline.d3rlpy`, so that this package does not.
"""

from llmrec_env.offline.augmentation import Proposals, propose, soft_targets
from llmrec_env.offline.table import Transitions
from llmrec_env.offline.transitions import transitions

__all__ = ["Proposals", "Transitions", "propose", "soft_targets", "transitions"]
