"""``llmrec bench``: compares recommenders, tuned alike, over splits and seeds.

All results are kept in the study's folder, so a study that was killed or extended runs only what is
missing.
"""

from llmrec_env.experiments.study.methods import METHODS, Method
from llmrec_env.experiments.study.run import run_study
from llmrec_env.experiments.study.settings import StudySettings

__all__ = ["METHODS", "Method", "StudySettings", "run_study"]
