"""The command line program ``llmrec``; each command has a module of its own."""

from llmrec_env.cli.main import app

__all__ = ["app"]
