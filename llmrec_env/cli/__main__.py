"""``python -m llmrec_env.cli``, as ``accelerate launch`` starts it."""

from llmrec_env.cli import app

app()
