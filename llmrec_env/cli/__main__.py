"""The command line as ``python -m llmrec_env.cli``, which ``accelerate launch`` can start."""

from llmrec_env.cli import app

app()
