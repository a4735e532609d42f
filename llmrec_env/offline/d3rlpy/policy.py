"""``D3rlpyPolicy``: a d3rlpy algorithm as a policy in environments and as a ranker."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.files import atomic_path, local_path, read_json, write_json
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.offline.d3rlpy.library import d3rlpy
from llmrec_env.offline.d3rlpy.points import points_of_items
from llmrec_env.offline.d3rlpy.scoring import scorer
from llmrec_env.offline.transitions import padded_histories
from llmrec_env.users.base import UserSimulator

CHUNK_CELLS = 4_000_000  # scores computed at once
ITEM_POINTS = "item_points"
"""Among the weights of a saved policy, where the items lie."""


class D3rlpyPolicy:
    """A d3rlpy algorithm that recommends: in environments and as a ranker.

    Its best-scored item is what the algorithm itself would show:
    :func:`llmrec_env.offline.d3rlpy.scoring.scorer` says how each scores all of them. One whose
    actions are points scores an item by how near it lies.

    Args:
        algo: a d3rlpy algorithm that has been fitted (or built).
        observation: what it learned from: "state" (language states) or "history" (last items).
        simulator: who gives the states of sequences to :meth:`score_steps`, for "state" only; and
            where the items lie, for an algorithm whose actions are points.
        item_points: float32 (n_items, d), where the items lie, if not where the simulator's do.

    Raises:
        DataError: the algorithm is not built, or scores no items.
        SettingError: its actions are points, and nobody says where items lie, or in a space of
            another size than its actions.
    """

    def __init__(
        self,
        algo: Any,
        observation: Literal["state", "history"] = "state",
        simulator: UserSimulator | None = None,
        item_points: FloatArray | None = None,
    ) -> None:
        if observation not in ("state", "history"):
            raise DataError(f"observation must be 'state' or 'history', got {observation!r}")
        if algo.impl is None:
            raise DataError(f"{type(algo).__name__} has no weights yet: fit it first")
        self.algo = algo
        self.observation = observation
        self.simulator = simulator
        self._points: FloatArray | None = None
        self.n_items: int = algo.impl.action_size
        if algo.get_action_type() == d3rlpy.ActionSpace.CONTINUOUS:
            self._points = points_of_items(item_points, simulator, (None, self.n_items))
            self.n_items = len(self._points)
        self.input_size: int = algo.impl.observation_shape[0]
        self._scores = scorer(algo, self._points)

    def action_scores(self, observation: Any) -> FloatArray:
        """Scores of all items, float32 (N, n_items).

        Args:
            observation: the environment's, (N, width), or a mapping with "state" or "history". What
                the environment appends to the language state is cut off; histories are cut or
                padded on the left to the length that the algorithm learned from.

        Raises:
            DataError: the observation is narrower than the states that the algorithm learned from.
        """
        if isinstance(observation, Mapping):
            observation = observation[self.observation]
        values = np.atleast_2d(np.asarray(observation))
        missing = self.input_size - values.shape[1]
        if missing > 0 and self.observation == "state":
            raise DataError(
                f"the algorithm reads states of {self.input_size} numbers, but the observation has "
                f"{values.shape[1]}; the simulator must be the one that made its dataset"
            )
        if self.observation == "state":
            values = values[:, : self.input_size]
        elif missing > 0:
            values = np.pad(values, ((0, 0), (missing, 0)), constant_values=self.n_items)
        else:
            values = values[:, -self.input_size :]
        size = max(1, CHUNK_CELLS // self.n_items)
        parts = [self._scores(values[i : i + size]) for i in range(0, len(values), size)]
        return np.concatenate(parts) if parts else np.empty((0, self.n_items), dtype=np.float32)

    def score_steps(self, sequences: Sequence[IntArray]) -> FloatArray:
        """Scores of the next item after each prefix, float32 (sum(len_i - 1), n_items).

        Raises:
            DataError: the policy reads language states and has no simulator to give them.
        """
        kept = [np.asarray(s, dtype=np.int64) for s in sequences if len(s) > 1]
        if not kept:
            return np.empty((0, self.n_items), dtype=np.float32)
        log = _log_of(
            kept, self.simulator.catalogue if self.simulator else _catalogue(self.n_items)
        )
        followed = np.flatnonzero(log.row_goes_on)
        if self.observation == "history":
            return self.action_scores(padded_histories(log, followed, self.input_size))
        if self.simulator is None:
            raise DataError(
                "score_steps needs the states of the sequences: D3rlpyPolicy(algo, simulator=…)"
            )
        return self.action_scores(self.simulator.label(log).states[followed])

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``config.json`` (d3rlpy's configuration) and ``model.safetensors``."""
        impl = self.algo.impl
        algorithm = d3rlpy.base.LearnableConfigWithShape(
            observation_shape=impl.observation_shape,
            action_size=impl.action_size,
            config=self.algo.config,
        )
        config = {"observation": self.observation, "algorithm": algorithm.serialize_to_dict()}
        weights = {name: tensor.detach().clone() for name, tensor in self._weights().items()}
        if self._points is not None:
            weights[ITEM_POINTS] = torch.tensor(self._points)
        with atomic_path(folder) as temporary:
            temporary.mkdir()
            save_file(weights, temporary / "model.safetensors")
            write_json(temporary / "config.json", config)

    @classmethod
    def load(
        cls, folder: str | os.PathLike[str], simulator: UserSimulator | None = None
    ) -> D3rlpyPolicy:
        """Read what :meth:`save` wrote, onto the CPU; nothing is unpickled.

        Raises:
            DataError: the folder holds no such policy.
        """
        path = local_path(folder, "policy")
        if not (path / "config.json").is_file():
            raise DataError(
                f"{path}: no config.json; expected a folder that D3rlpyPolicy.save wrote"
            )
        config = read_json(path / "config.json")
        shaped = d3rlpy.base.LearnableConfigWithShape.deserialize_from_dict(config["algorithm"])
        saved = load_file(path / "model.safetensors")
        points = saved[ITEM_POINTS].numpy() if ITEM_POINTS in saved else None
        policy = cls(shaped.create(), config["observation"], simulator, points)
        with torch.no_grad():
            for name, tensor in policy._weights().items():
                tensor.copy_(saved[name])
        return policy

    def _weights(self) -> dict[str, Tensor]:
        """Tensors of all modules by name; modules that share an encoder each name it."""
        return {
            f"{module}.{name}": tensor
            for module, network in self.algo.impl.modules.get_torch_modules().items()
            for name, tensor in network.state_dict().items()
        }


def _catalogue(n_items: int) -> Catalogue:
    return Catalogue(pl.DataFrame({"item_id": [str(i) for i in range(n_items)]}))


def _log_of(sequences: list[IntArray], catalogue: Catalogue) -> InteractionLog:
    lengths = [len(sequence) for sequence in sequences]
    return InteractionLog(
        catalogue=catalogue,
        user_ids=pl.Series([f"sequence {i}" for i in range(len(sequences))], dtype=pl.String),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        items=np.concatenate(sequences),
    )
