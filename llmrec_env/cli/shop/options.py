"""Command-line options that choose a shop's products, goals and reward."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

import typer

from llmrec_env.cli import options
from llmrec_env.common.errors import SettingError


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
        str,
        typer.Option(
            help="What training and test goals do not share: product or goal; or position, the "
            "field's own split, by place in the published order."
        ),
    ] = "product"
    goals_per_product: Annotated[
        int | None, options.number("Goals of one product at most.", least=1)
    ] = 10
    goal_seed: Annotated[
        int, options.number("Seed of the goals' prices and limits, and of the split.", least=0)
    ] = 0

    protocol: Annotated[
        str | None,
        typer.Option(
            help="Protocol that fixes all of these but a folder of files: webshop-products, "
            "webshop-position, generated, generated-paraphrased, or a JSON file."
        ),
    ] = None

    @property
    def settings(self) -> dict[str, Any]:
        """Keywords of the environment.

        Raises:
            SettingError: an option stands beside a protocol, which fixes it.
        """
        from llmrec_env.envs.shop.protocol.protocol import load_protocol

        number = self.catalogue is not None and self.catalogue.isdecimal()
        catalogue = int(self.catalogue or 0) if number else self.catalogue
        if self.protocol is None:
            return {**asdict(self), "catalogue": catalogue}
        for one in fields(self):
            if one.name not in ("catalogue", "protocol") and getattr(self, one.name) != one.default:
                raise SettingError(f"--protocol fixes it: leave out --{one.name.replace('_', '-')}")
        # the step limit goes along, and the split is the caller's
        settings = load_protocol(self.protocol).settings("all", catalogue)
        del settings["split"]
        return {**settings, "protocol": self.protocol}
