"""A whole study of recommenders: recipes tuned alike, splits, seeds, and what differences mean.

What ``llmrec bench`` runs. Everything that is done is kept in the study's folder, so a study that
was killed, or is asked for more, goes on with what it lacks.
"""

from llmrec_env.experiments.study.methods import RECIPES, Recipe
from llmrec_env.experiments.study.settings import StudySettings
from llmrec_env.experiments.study.study import run_study

__all__ = ["RECIPES", "Recipe", "StudySettings", "run_study"]
