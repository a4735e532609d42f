"""Command-line options that choose a shop's products, goals and reward."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from llmrec_env.cli import options


@dataclass(frozen=True)
class ShopOptions:
    """Products, goals and reward of a shop; each field is an option."""

    catalogue: Annotated[
        str | None,
        typer.Option(
            help="Folder of the public WebShop files or of a saved catalogue, or a number of "
            "products to generate. If not given, 1,000 generated ones."
        ),
    ] = None
    instructions: Annotated[
        str, typer.Option(help="Wording of the instructions: synthetic, human or paraphrased.")
    ] = "synthetic"
    reward: Annotated[
        str, typer.Option(help="Reward of a purchase: repaired, or webshop (the published rule).")
    ] = "repaired"
    split_by: Annotated[
        str, typer.Option(help="What training and test goals do not share: product or goal.")
    ] = "product"
    goals_per_product: Annotated[
        int | None, options.number("Goals of one product at most.", least=1)
    ] = 10
    goal_seed: Annotated[
        int, options.number("Seed of the goals' prices and limits, and of the split.", least=0)
    ] = 0

    @property
    def settings(self) -> dict[str, Any]:
        """Keywords of the environment."""
        number = self.catalogue is not None and self.catalogue.isdecimal()
        return {**asdict(self), "catalogue": int(self.catalogue or 0) if number else self.catalogue}
