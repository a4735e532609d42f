"""``llmrec bench``: a study of recommenders, tuned alike, over splits and seeds.

What ``llmrec bench`` runs. Everything that is done is kept in the study's folder, so a study that
was killed, or is asked for more, goes on with what it lacks.
"""

from llmrec_env.experiments.study.methods import METHODS, Method
from llmrec_env.experiments.study.run import run_study
from llmrec_env.experiments.study.settings import StudySettings

__all__ = ["METHODS", "Method", "StudySettings", "run_study"]
