"""Fixed data for offline learning: transitions, actions that a simulator adds, d3rlpy datasets."""

from llmrec_env.offline.augmentation import Proposals, propose, soft_targets

__all__ = ["Proposals", "propose", "soft_targets"]
