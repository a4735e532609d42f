"""``llmrec shop play``: lets a person shop in the terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.shop.options import ShopOptions
from llmrec_env.cli.typed import refuse_typed


@options.option_groups
@clear_errors(goes_on=False)
def play(
    context: typer.Context,
    goal: Annotated[
        int | None, options.number("Number of the goal. If not given, one is drawn.", least=0)
    ] = None,
    split: Annotated[
        str, typer.Option(help="Goals to choose from: train, validation, test or all.")
    ] = "train",
    seed: Annotated[
        int | None, options.number("Seed that draws the goal. If not given, it is random.", least=0)
    ] = None,
    *,
    shop: ShopOptions,
) -> None:
    """Shop for an instruction yourself, in the terminal."""
    if goal is not None:
        refuse_typed(context, "--goal draws none", "seed")
    settings = {**shop.settings, "split": split}
    from agents.shop.play import play as play_in

    play_in(settings, goal, seed)
