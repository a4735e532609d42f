"""d3rlpy integration: datasets for its algorithms, and these as policies and rankers."""

from llmrec_env.offline.d3rlpy.algorithms import ALGORITHMS, Algorithm
from llmrec_env.offline.d3rlpy.collecting import collect_episodes
from llmrec_env.offline.d3rlpy.dataset import to_mdp_dataset
from llmrec_env.offline.d3rlpy.history_encoder import HistoryEncoderFactory
from llmrec_env.offline.d3rlpy.policy import D3rlpyPolicy
from llmrec_env.offline.d3rlpy.training import train, train_online
from llmrec_env.offline.d3rlpy.transitions_dataset import TransitionsDataset

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "D3rlpyPolicy",
    "HistoryEncoderFactory",
    "TransitionsDataset",
    "collect_episodes",
    "to_mdp_dataset",
    "train",
    "train_online",
]
