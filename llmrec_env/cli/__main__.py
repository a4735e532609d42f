"""Runs the command line as ``python -m llmrec_env.cli``, as ``accelerate launch`` needs it."""

from llmrec_env.cli import app

app()
