"""The command line ``llmrec``, one file a command."""

from llmrec_env.cli.main import app

__all__ = ["app"]
