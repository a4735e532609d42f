"""One training of a recipe."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from agents.config import RecommenderConfig
from agents.recommender import Recommender
from llmrec_env.common.files import atomic_path, fingerprint, read_json, write_json
from llmrec_env.experiments.study.methods import PLAIN, Recipe
from llmrec_env.experiments.study.simulators import item_vectors, open_companion
from llmrec_env.experiments.study.split_context import Place
from llmrec_env.experiments.study.teachers import open_teacher

SECONDS = "seconds.json"


def fit_recipe(recipe: Recipe, place: Place, config: RecommenderConfig) -> Recommender:
    """Train a recipe on a split, with the simulated user and the teacher that it names.

    Plain backbones are kept: what is fused with others in service begins with one.

    Args:
        recipe: what to train.
        place: the split.
        config: all settings, the recipe's own among them.
    """
    if recipe.name == PLAIN or recipe.fused_with is not None:
        return _plain(place, config)
    simulator = None if recipe.companion is None else open_companion(recipe.companion, place)
    proposals = None
    if recipe.teacher is not None:
        proposals = open_teacher(recipe.teacher, place, config.augment_k)
    vectors = None
    if config.reads_vectors and recipe.companion is not None:
        vectors = item_vectors(recipe.companion, place)
    split = place.source.split
    return Recommender(config).fit(
        split.train, simulator, split.validation, proposals=proposals, item_vectors=vectors
    )


def _plain(place: Place, config: RecommenderConfig) -> Recommender:
    folder = _kept(place, config)
    if not folder.exists():
        split = place.source.split
        fitted = Recommender(config).fit(split.train, None, split.validation)
        with atomic_path(folder) as temporary:
            fitted.save(temporary)
            write_json(temporary / SECONDS, fitted.seconds)
        return fitted
    recommender = Recommender.load(folder, place.source.split.train.catalogue, config.device)
    recommender.seconds = read_json(folder / SECONDS)
    return recommender


def _kept(place: Place, config: RecommenderConfig) -> Path:
    own = fingerprint([json.dumps(asdict(config), sort_keys=True)])
    return place.folder / "plain" / config.backbone / f"seed{config.seed}-{own}"
