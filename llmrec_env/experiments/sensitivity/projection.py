"""Computes users' states for the map, projects them into the plane, and rates neighbours."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from itertools import takewhile

import numpy as np
import torch

from agents.recommender import Recommender
from agents.windows import last_window
from llmrec_env.common.arrays import Float64Array, FloatArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog

MAPPED = 1000
"""Test users on a map, at most."""
NEIGHBOURS = 10
FEW = 10
"""A text column tells kinds apart where a value serves so many items in the mean, or more."""


def mapped_users(test: InteractionLog, seed: int) -> InteractionLog:
    """The users on the map: all, or a seeded choice where they are many."""
    if test.n_users <= MAPPED:
        return test
    users = np.random.default_rng(seed).choice(test.n_users, MAPPED, replace=False)
    return test.select_users(np.sort(users))


@torch.no_grad()
def encoder_states(recommender: Recommender, histories: Sequence[IntArray]) -> FloatArray:
    """The backbone's states after histories of one item at least, float32 (N, dim)."""
    network = recommender.network
    items = last_window(histories, recommender.config.backbone.max_length, recommender.n_items)
    last = (items != recommender.n_items).sum(axis=1) - 1
    states = network.encoder(torch.from_numpy(items).to(network.bias.device))
    found: FloatArray = states[torch.arange(len(items)), torch.from_numpy(last)].cpu().numpy()
    return found


def kinds_of_items(catalogue: Catalogue) -> tuple[str, list[str]] | None:
    """A column that sorts the items into kinds, and the kind of each item ("" where unknown).

    That is the category, where there is one, or else the first text column in which a value serves
    :data:`FEW` items in the mean. Of paths that begin alike, such as "Tools, Saws, Hand saws", the
    first part in which they differ is the kind.
    """
    for name in sorted(catalogue.text_columns, key=lambda name: name != "category"):
        values = [value.strip() for value in catalogue.table[name].to_list()]
        texts = [value for value in values if value]
        different = len(set(texts))
        if different > 1 and (name == "category" or different * FEW <= len(texts)):
            return name, _branches(values)
    return None


def _branches(values: list[str]) -> list[str]:
    """The first part in which paths differ, where all have their first part in common."""
    paths = [value.split(", ") for value in values]
    levels = zip(*[path for path in paths if path != [""]], strict=False)  # to the shortest's end
    shared = sum(1 for _ in takewhile(lambda parts: len(set(parts)) == 1, levels))
    return ["".join(path[shared : shared + 1]) for path in paths] if shared else values


def principal_plane(states: FloatArray) -> tuple[Float64Array, float]:
    """Coordinates (N, 2) along the two principal directions, and their share of the variance."""
    centred = states.astype(np.float64) - states.mean(axis=0, dtype=np.float64)
    left, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    # A direction and its opposite are one to SVD: the largest entry is made positive.
    rows = np.arange(min(2, len(sizes)))
    signs = np.sign(directions[rows, np.abs(directions[rows]).argmax(axis=1)])
    plane = np.zeros((len(states), 2))
    plane[:, rows] = left[:, rows] * (sizes[rows] * signs)
    total = float((sizes**2).sum())
    return plane, float((sizes[rows] ** 2).sum()) / total if total else 0.0


def neighbour_plane(states: FloatArray, seed: int) -> Float64Array:
    """Coordinates (N, 2) that keep neighbours by cosine together (t-SNE of scikit-learn).

    Raises:
        SettingError: scikit-learn is not installed.
    """
    if not has_neighbour_plane():
        raise SettingError(
            "projection='tsne' needs scikit-learn, which is not installed: pip install "
            "scikit-learn, or take projection='pca'"
        )
    from sklearn.manifold import TSNE

    begin, _ = principal_plane(states)
    begin *= 1e-4 / max(float(begin[:, 0].std()), 1e-12)
    kind = TSNE(
        metric="cosine",
        init=begin,
        perplexity=min(30.0, (len(states) - 1) / 3),
        random_state=seed,
        n_jobs=1,
    )
    plane: Float64Array = kind.fit_transform(states.astype(np.float64))
    return plane


def has_neighbour_plane() -> bool:
    """Whether :func:`neighbour_plane` can be made."""
    return importlib.util.find_spec("sklearn") is not None


def neighbours_alike(states: FloatArray, kinds: Sequence[str]) -> tuple[float, float]:
    """How often the nearest states by cosine belong to the same kind, and how often any would.

    Of all states whose kind is known, among each other; in the full space, not in the plane.

    Args:
        states: (N, d).
        kinds: of each state; "" where unknown.

    Returns:
        The share among the :data:`NEIGHBOURS` nearest, and among all others; NaN of fewer than two.
    """
    names = np.array(kinds)
    known = names != ""
    names, unit = names[known], states[known].astype(np.float64)
    if len(names) < 2:
        return np.nan, np.nan
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    closeness = unit @ unit.T
    np.fill_diagonal(closeness, -np.inf)
    nearest = np.argsort(-closeness, axis=1, kind="stable")[:, : min(NEIGHBOURS, len(names) - 1)]
    same = names[:, None] == names[None, :]
    alike = np.take_along_axis(same, nearest, axis=1).mean()
    return float(alike), float((same.sum() - len(names)) / (len(names) * (len(names) - 1)))
