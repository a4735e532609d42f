"""One training of a recipe."""

from __future__ import annotations

from agents.config import RecommenderConfig
from agents.recommender import Recommender
from agents.study.companions import open_companion
from agents.study.places import Place
from agents.study.recipes import Recipe
from agents.study.teachers import open_teacher


def fit_recipe(recipe: Recipe, place: Place, config: RecommenderConfig) -> Recommender:
    """Train a recipe on a split, with the simulated user and the teacher that it names.

    Args:
        recipe: what to train.
        place: the split.
        config: all settings, the recipe's own among them.
    """
    simulator = None if recipe.companion is None else open_companion(recipe.companion, place)
    proposals = None
    if recipe.teacher is not None:
        proposals = open_teacher(recipe.teacher, place, config.augment_k)
    split = place.source.split
    return Recommender(config).fit(
        split.train, simulator, split.validation, show=place.show, proposals=proposals
    )
