"""The program ``llmrec``: registers all commands."""

from __future__ import annotations

import typer

from llmrec_env.cli import bench, shop
from llmrec_env.cli.add_items import add_items
from llmrec_env.cli.card import card
from llmrec_env.cli.collect import collect
from llmrec_env.cli.demo import demo
from llmrec_env.cli.ensemble import ensemble
from llmrec_env.cli.evaluate import evaluate
from llmrec_env.cli.fit import fit
from llmrec_env.cli.label import label
from llmrec_env.cli.openenv import openenv
from llmrec_env.cli.rerun import rerun
from llmrec_env.cli.serve import serve
from llmrec_env.cli.train import train

app = typer.Typer(
    help="Simulate the users of a recommender system with a language model, and train "
    "recommenders on them.\n\n"
    "The LE (language environment) is a language model that learned from a log and answers as its "
    "users: it gives states, rewards and actions.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for command in (
    demo,
    rerun,
    fit,
    add_items,
    ensemble,
    label,
    collect,
    train,
    evaluate,
    card,
    serve,
):
    app.command()(command)
app.command()(openenv)
app.add_typer(shop.app, name="shop")
app.add_typer(bench.app, name="bench")
