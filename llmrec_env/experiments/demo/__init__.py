"""``llmrec demo``: runs the whole project once, on the generated world or on a log."""

from llmrec_env.experiments.demo.run import run_demo
from llmrec_env.experiments.demo.settings import DemoSettings

__all__ = ["DemoSettings", "run_demo"]
