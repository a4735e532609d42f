"""The main job from end to end, on the generated world or on a log: what ``llmrec demo`` runs.

Stages run side by side. Each writes what it found to the run folder when it ends, so a run that was
killed goes on with the stages that it lacks.
"""

from llmrec_env.experiments.demo.run import run_demo
from llmrec_env.experiments.demo.settings import DemoSettings

__all__ = ["DemoSettings", "run_demo"]
