"""The main job from end to end, on the generated world or on a log: what ``llmrec demo`` runs.

Each stage writes what it found to the run folder before the next begins, so a run that was killed
goes on with the stage in which it stopped.
"""

from llmrec_env.demo.run import run_demo
from llmrec_env.demo.settings import DemoSettings

__all__ = ["DemoSettings", "run_demo"]
