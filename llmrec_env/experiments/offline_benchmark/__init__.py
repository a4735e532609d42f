"""``llmrec bench offline``: compares d3rlpy's algorithms on a log and on LE-labelled data.

Every algorithm learns from every dataset with the same settings. It is evaluated by the next items
of held-out users, among the simulated users and, on the generated world, among the true ones.
Beside the datasets that the LE labels and augments stand those that a random item or an item
co-occurrence augments, and beside the algorithms those who need no learning.
"""

from llmrec_env.experiments.offline_benchmark.run import run_offline
from llmrec_env.experiments.offline_benchmark.settings import OfflineSettings

__all__ = ["OfflineSettings", "run_offline"]
