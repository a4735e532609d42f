"""Reads and writes a recommender's folder: ``config.json`` and ``model.safetensors``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from agents.config import RecommenderConfig
from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.file_errors import told
from llmrec_env.common.files import atomic_path
from llmrec_env.common.saved_folder import check_manifest, read_config, write_described
from llmrec_env.common.tensor_files import read_finite

WEIGHTS = "model.safetensors"
FORMAT = 2
"""Version of the folders that are written; version 1 is read too."""
SPELLINGS = ("catalogue_id", "catalog_id")
"""The key of the catalogue's fingerprint in formats 2 and 1."""


@dataclass(frozen=True, eq=False)
class SavedRecommender:
    """What a folder holds.

    Attributes:
        config: what the recommender is and how it learned.
        n_items: size of its catalogue.
        state_size: length of the simulator's state that its network reads.
        catalogue_id: fingerprint of the catalogue's item ids.
        history: losses and validation metrics of learning.
        popularity: float32 (n_items,), interactions of each item in training.
        weights: the network's.
    """

    config: RecommenderConfig
    n_items: int
    state_size: int
    catalogue_id: str
    history: list[dict[str, float]]
    popularity: FloatArray
    weights: dict[str, Tensor]

    def write(self, folder: Path) -> None:
        """Write the folder, whole or not at all; a recommender that stands there is replaced.

        Raises:
            SettingError: the folder holds anything else.
        """
        _refuse_others(folder)
        tensors = {f"network.{k}": v.contiguous().clone() for k, v in self.weights.items()}
        tensors["popularity"] = torch.from_numpy(self.popularity)
        about = {
            "format": FORMAT,
            "config": self.config.settings,
            "n_items": self.n_items,
            "state_size": self.state_size,
            "catalogue_id": self.catalogue_id,
            "history": self.history,
        }
        with atomic_path(folder) as temporary:
            temporary.mkdir()
            save_file(tensors, temporary / WEIGHTS)
            write_described(temporary, about)

    @classmethod
    def read(cls, folder: Path, device: str) -> SavedRecommender:
        """Read what :meth:`write` wrote, to serve on ``device``, and check it by its manifest.

        Raises:
            DataError: the format is unknown, or a file not what was saved.
            AttributeError, KeyError, TypeError: config.json says something else.
        """
        described = read_config(folder)
        about = _as_written_now(described, folder)
        check_manifest(folder, described)
        tensors = read_finite(folder / WEIGHTS, device)
        if "popularity" not in tensors:
            raise DataError(f"{folder / WEIGHTS}: tensor 'popularity' is missing")
        popularity = tensors.pop("popularity").cpu().numpy()
        if popularity.shape != (about["n_items"],):
            raise DataError(
                f"{folder}: its weights are of {popularity.size} items, and config.json says "
                f"{about['n_items']!r}"
            )
        return cls(
            config=RecommenderConfig.of(**{**about["config"], "device": device}),
            n_items=about["n_items"],
            state_size=about["state_size"],
            catalogue_id=about["catalogue_id"],
            history=about["history"],
            popularity=popularity,
            weights={name.removeprefix("network."): value for name, value in tensors.items()},
        )


@contextmanager
def recommender_in(folder: Path) -> Iterator[None]:
    """Turn whatever reading or using a folder raises into what to tell who wanted a recommender.

    Raises:
        DataError: the block raised any error.
    """
    try:
        yield
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # a damaged network fails in many ways
        reason = told(error)
        if isinstance(error, AttributeError | KeyError | TypeError):
            reason = "what its config.json says is of something else"
        raise DataError(
            f"{folder}: no saved recommender ({reason}); expected the folder, with config.json "
            "and model.safetensors, that `llmrec train` or Recommender.save writes"
        ) from error


def _as_written_now(about: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A description in the present format.

    Format 1 had the settings of all backbones and frameworks in every config, and another key for
    the catalogue's fingerprint.

    Raises:
        DataError: the format is neither 1 nor the present one.
    """
    if about["format"] == FORMAT:
        return about
    if about["format"] != 1:
        raise DataError(
            f"{folder}: a recommender of format {about['format']}, this version reads formats 1 "
            f"and {FORMAT}; fit it again, or load it with the version that wrote it"
        )
    saved = about["config"]
    own = RecommenderConfig(saved["backbone"], saved["objective"]).settings
    config = {name: value for name, value in saved.items() if name in own}
    return {**about, "config": config, "catalogue_id": about["catalog_id"]}


def _refuse_others(folder: Path) -> None:
    """Leave alone a folder whose files are named as a recommender's but hold something else."""
    path = folder / "config.json"
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    if not any(f'"{key}"' in text for key in SPELLINGS):
        raise SettingError(
            f"{folder} holds something else, whose config.json would be lost; name another folder"
        )
