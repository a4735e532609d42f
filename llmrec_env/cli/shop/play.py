"""``llmrec shop play``: lets a person shop in the terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.shop.options import ShopOptions


@options.option_groups
@clear_errors()
def play(
    goal: Annotated[
        int | None, typer.Option(min=0, help="Number of the goal. If not given, one is drawn.")
    ] = None,
    split: Annotated[
        str, typer.Option(help="Goals to choose from: train, validation, test or all.")
    ] = "train",
    seed: Annotated[
        int | None, typer.Option(help="Seed that draws the goal. If not given, it is random.")
    ] = None,
    *,
    shop: ShopOptions,
) -> None:
    """Shop for an instruction yourself, in the terminal."""
    from agents.shop.play import play as play_in

    play_in({**shop.settings, "split": split}, goal, seed)
