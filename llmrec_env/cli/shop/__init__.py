"""``llmrec shop``: commands that train, evaluate or play a shopping agent."""

import typer

from llmrec_env.cli.shop.evaluate import evaluate
from llmrec_env.cli.shop.play import play
from llmrec_env.cli.shop.train import train

app = typer.Typer(
    help="Shop for an instruction in a web shop (LLMRec/Shop-v0): train agents, measure them, or "
    "play.",
    no_args_is_help=True,
)
for command in (train, evaluate, play):
    app.command()(command)
