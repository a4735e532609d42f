"""``ImprovedRecommender``: a recommender and the Q that was learned beside it."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from agents.fusion import log_softmax
from agents.recommender import Recommender
from agents.windows import last_window
from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.checks import check_number
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.files import atomic_path
from llmrec_env.common.saved_folder import reading
from llmrec_env.common.tensor_files import read_finite
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.users.base import UserSimulator, states_within

Both = Mapping[str, NDArray[Any]]
"""A batched observation of ``observation="both"``."""
RECOMMENDER, LEARNED = "recommender", "improvement.safetensors"


class ImprovedRecommender:
    """Shows the best item by ``log softmax(recommender(s)) + weight * Q(s, i)``.

    Q is bilinear, ``x_i . (W f + b)``: f are the state of the recommender's encoder (a unit vector)
    and the simulated user's state after the same history; x are the recommender's and the
    simulator's vectors of the item and a 1. W and b are 0 until they are learned, so it begins as
    the recommender. To serve, the simulator reads the history too, but is asked nothing.

    Args:
        recommender: fitted on the simulator's catalogue.
        simulator: whose states and item vectors it reads.
        weight: of Q; 0 is the recommender alone.

    Raises:
        DataError: the recommender was fitted on another catalogue.
        SettingError: it is none, or the weight is no finite number.
    """

    observation = "both"

    def __init__(
        self, recommender: Recommender, simulator: UserSimulator, weight: float = 1.0
    ) -> None:
        if not isinstance(recommender, Recommender):
            raise SettingError(
                f"recommender must be a fitted Recommender, got {type(recommender).__name__}"
            )
        recommender.check_catalogue(simulator.catalogue)
        self.recommender = recommender
        self.weight = check_number("weight", weight)
        self.state_size = simulator.state_size
        self._vector_size = simulator.item_vectors.shape[1]
        self._points = _points(recommender, simulator)
        self.query = nn.Linear(
            recommender.config.backbone.dim + self.state_size, self._points.shape[1]
        )
        nn.init.zeros_(self.query.weight)
        nn.init.zeros_(self.query.bias)

    @property
    def name(self) -> str:
        """For tables, such as "GRU4Rec supervised, improved"."""
        return f"{self.recommender.name}, improved"

    def check_catalogue(self, catalogue: Catalogue) -> None:
        """Refuse another catalogue than the recommender's."""
        self.recommender.check_catalogue(catalogue)

    def features(self, observation: Both) -> FloatArray:
        """What Q reads of N moments, float32 (N, dim of the encoder + state_size)."""
        network, config = self.recommender.network, self.recommender.config.backbone
        n_items = self.recommender.n_items
        histories = [row[row != n_items] for row in np.asarray(observation["history"])]
        items = last_window(histories, config.max_length, n_items)
        last = np.maximum((items != n_items).sum(axis=1) - 1, 0)
        with torch.no_grad():
            states = network.encoder(torch.from_numpy(items).to(network.bias.device))
            own = nn.functional.normalize(states[torch.arange(len(items)), last], dim=1)
        lived = np.array([[len(history) > 0] for history in histories], dtype=np.float32)
        told = states_within(observation["state"], self.state_size, self._vector_size)
        return np.concatenate([own.cpu().numpy() * lived, told], axis=1).astype(np.float32)

    def q(self, features: Tensor, items: Tensor | None = None) -> Tensor:
        """Q of all items, float32 (N, n_items), or of ``items`` int64 (N, C), (N, C)."""
        asked = self.query(features)
        if items is None:
            every: Tensor = asked @ self._points.T
            return every
        return torch.einsum("nd,ncd->nc", asked, self._points[items])

    def action_scores(self, observation: Both) -> FloatArray:
        """Scores float32 (N, n_items) of N observations of the kind ``"both"``."""
        return self.scores(observation, self.features(observation))

    def scores(self, observation: Both, features: FloatArray) -> FloatArray:
        """The same, where :meth:`features` of these observations are known."""
        scores = log_softmax(self.recommender.action_scores(observation))
        with torch.no_grad():
            gain = self.q(torch.from_numpy(features)).numpy()
        improved: FloatArray = (scores + self.weight * gain).astype(np.float32)
        return improved

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the recommender and what was learned into a new folder, whole or not at all."""
        with atomic_path(Path(folder)) as temporary:
            temporary.mkdir()
            self.recommender.save(temporary / RECOMMENDER)
            learned = {"weight": self.query.weight.detach(), "bias": self.query.bias.detach()}
            worth = torch.tensor([self.weight])
            save_file({**learned, "worth": worth}, temporary / LEARNED)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], simulator: UserSimulator) -> ImprovedRecommender:
        """Read what :meth:`save` wrote.

        Args:
            folder: the folder.
            simulator: the one among whose users it was improved.

        Raises:
            DataError: the folder holds no such recommender, or one of another catalogue or of a
                simulator with other states.
        """
        recommender = Recommender.load(Path(folder) / RECOMMENDER, simulator.catalogue)
        path = Path(folder) / LEARNED
        with reading(path):
            tensors = read_finite(path)
            policy = cls(recommender, simulator, float(tensors.pop("worth")))
            if tensors["weight"].shape != policy.query.weight.shape:
                raise DataError(
                    f"{path}: improved among users with other states than these simulated users "
                    "have"
                )
            policy.query.load_state_dict(tensors)
        return policy

    def with_weight(self, weight: float) -> ImprovedRecommender:
        """The same Q, which counts for more or less."""
        twin = copy.copy(self)
        twin.weight = check_number("weight", weight)
        return twin


def _points(recommender: Recommender, simulator: UserSimulator) -> Tensor:
    """What Q knows of items, float32 (n_items, d): two tables of about unit rows, and a 1."""
    own = recommender.network.item_outputs.detach().cpu()
    own = own / own.norm(dim=1).mean().clamp(min=1e-6)
    known = torch.tensor(np.asarray(simulator.item_vectors, dtype=np.float32))
    return torch.cat([own, known, torch.ones(len(own), 1)], dim=1)
