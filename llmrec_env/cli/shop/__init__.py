"""``llmrec shop``: commands that train or measure a shopping agent, or let people shop."""

import typer

from llmrec_env.cli.shop.evaluate import evaluate
from llmrec_env.cli.shop.openenv import openenv
from llmrec_env.cli.shop.play import play
from llmrec_env.cli.shop.protocol import protocol
from llmrec_env.cli.shop.serve import serve
from llmrec_env.cli.shop.train import train

app = typer.Typer(
    help="Shop for an instruction in a web shop (LLMRec/Shop-v0): train agents, measure them, or "
    "shop yourself.",
    no_args_is_help=True,
)
for command in (train, evaluate, protocol, play, serve, openenv):
    app.command()(command)
