"""The command line: ``llmrec demo`` and its steps, one file a command."""

from llmrec_env.cli.main import app

__all__ = ["app"]
