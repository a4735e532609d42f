"""``llmrec bench sensitivity``: how a result depends on its settings, in pictures and tables.

What ``llmrec bench sensitivity`` runs: curves over one setting at a time, ranking by how often an
item was seen in training, and a map of the users' states. Like a study's, every training is kept in
a folder of its own; one that serves several pictures is made once.
"""

from llmrec_env.experiments.sensitivity.run import run_sensitivity
from llmrec_env.experiments.sensitivity.settings import PARTS, SensitivitySettings

__all__ = ["PARTS", "SensitivitySettings", "run_sensitivity"]
