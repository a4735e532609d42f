"""Wrappers in Gymnasium's style around the recommending environments, single and batched."""

from llmrec_env.envs.wrappers.diversity import DiversityReward, VectorDiversityReward
from llmrec_env.envs.wrappers.drift import TasteDrift, VectorTasteDrift
from llmrec_env.envs.wrappers.novelty import NoveltyReward, VectorNoveltyReward
from llmrec_env.envs.wrappers.retention import RetentionReward, VectorRetentionReward
from llmrec_env.envs.wrappers.return_at_end import ReturnAtEnd, VectorReturnAtEnd
from llmrec_env.envs.wrappers.session_history import SessionHistory, VectorSessionHistory
from llmrec_env.envs.wrappers.text_tools import TextTools, VectorTextTools

__all__ = [
    "DiversityReward",
    "NoveltyReward",
    "RetentionReward",
    "ReturnAtEnd",
    "SessionHistory",
    "TasteDrift",
    "TextTools",
    "VectorDiversityReward",
    "VectorNoveltyReward",
    "VectorRetentionReward",
    "VectorReturnAtEnd",
    "VectorSessionHistory",
    "VectorTasteDrift",
    "VectorTextTools",
]
