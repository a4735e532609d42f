"""``llmrec bench sensitivity``: studies how recommenders depend on single settings.

Its report has curves over one setting at a time, ranking by how often an item was seen in training,
and a map of the users' states. As in a study, each training has a folder of its own; a training
that several pictures need is run once.
"""

from llmrec_env.experiments.sensitivity.run import run_sensitivity
from llmrec_env.experiments.sensitivity.settings import PARTS, SensitivitySettings

__all__ = ["PARTS", "SensitivitySettings", "run_sensitivity"]
