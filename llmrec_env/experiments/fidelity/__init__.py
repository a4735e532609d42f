"""``llmrec bench fidelity``: how near simulated users and baselines come to held-out people."""

from llmrec_env.experiments.fidelity.run import run_fidelity
from llmrec_env.experiments.fidelity.settings import FidelitySettings

__all__ = ["FidelitySettings", "run_fidelity"]
