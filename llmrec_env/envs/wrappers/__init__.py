"""Wrappers in Gymnasium's style around the recommending environments, single and batched."""

from llmrec_env.envs.wrappers.novelty import NoveltyReward, VectorNoveltyReward
from llmrec_env.envs.wrappers.retention import RetentionReward, VectorRetentionReward
from llmrec_env.envs.wrappers.return_at_end import ReturnAtEnd, VectorReturnAtEnd
from llmrec_env.envs.wrappers.text_tools import TextTools

__all__ = [
    "NoveltyReward",
    "RetentionReward",
    "ReturnAtEnd",
    "TextTools",
    "VectorNoveltyReward",
    "VectorRetentionReward",
    "VectorReturnAtEnd",
]
