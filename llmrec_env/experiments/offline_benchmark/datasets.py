"""Datasets of the offline benchmark: the log as it is, labelled, and augmented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmrec_env.data.log import InteractionLog
from llmrec_env.offline.augmentation import Method, propose
from llmrec_env.offline.table import Transitions
from llmrec_env.offline.transitions import transitions
from llmrec_env.users.base import UserSimulator

LOGGED = "logged"


@dataclass(frozen=True)
class DatasetSpec:
    """How a log becomes a dataset; augmented actions have rewards and next states of the LE."""

    label: str
    """How tables call it."""
    short: str
    """How figures call it."""
    state: Literal["history", "language"] = "language"
    reward: Literal["constant", "language"] = "language"
    augment: int = 0
    """Actions added to each step."""
    method: Method = "language"
    """Who proposes them."""

    @property
    def is_drawn(self) -> bool:
        """Whether the dataset depends on a seed."""
        return self.augment > 0 and self.method == "random"

    def make(self, train: InteractionLog, simulator: UserSimulator, seed: int) -> Transitions:
        """The dataset of a log.

        Args:
            train: the training users.
            simulator: who labels, and who proposes where ``method`` says so.
            seed: draws random actions.
        """
        proposals = None
        if self.augment:
            proposals = propose(train, simulator, k=self.augment, method=self.method, seed=seed)
        return transitions(
            train,
            None if self.reward == "constant" else simulator,
            self.state,
            self.reward,
            augment=proposals or 0,
            ask_follow_up=False,
        )


DATASETS = {
    LOGGED: DatasetSpec("logged", "logged", state="history", reward="constant"),
    "reward": DatasetSpec("LE reward", "LE\nreward", state="history"),
    "state": DatasetSpec("LE reward + state", "LE reward\n+ state"),
    "augment1": DatasetSpec("LE + 1 LE action", "LE + 1\nLE action", augment=1),
    "augment4": DatasetSpec("LE + 4 LE actions", "LE + 4\nLE actions", augment=4),
    "random": DatasetSpec("LE + 1 random action", "LE + 1\nrandom", augment=1, method="random"),
    "knn": DatasetSpec("LE + 1 kNN action", "LE + 1\nkNN", augment=1, method="cooccurrence"),
}
