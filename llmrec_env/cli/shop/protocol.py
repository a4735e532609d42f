"""``llmrec shop protocol``: shows the named protocols, or makes one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line
from llmrec_env.cli.shop.options import ShopOptions
from llmrec_env.common.errors import SettingError


@options.option_groups
@clear_errors(goes_on=False)
def protocol(
    out: Annotated[
        Path | None,
        typer.Option(
            help="JSON file for a new protocol of the shop that the other options name. If not "
            "given, those that come with the package are shown, or the one of --protocol."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the new protocol. If not given, the file's.")
    ] = None,
    validation_share: Annotated[
        float, options.number("Share of the products (or goals) in validation.", above=0, most=1)
    ] = 0.1,
    test_share: Annotated[
        float, options.number("Share of the products (or goals) in the test.", above=0, most=1)
    ] = 0.3,
    *,
    shop: ShopOptions,
) -> None:
    """Show what the shop's protocols fix, or make one: a named, hashed file that `--protocol`
    takes."""
    from llmrec_env.envs.shop.protocol.making import make_protocol
    from llmrec_env.envs.shop.protocol.protocol import DIGITS, load_protocol, named_protocols

    if out is None:
        names = named_protocols() if shop.protocol is None else (shop.protocol,)
        table = Table(title=Text("protocols, and goals of their splits"))
        table.add_column("", no_wrap=True)
        for column in ("train", "test", "reward", "hash"):
            table.add_column(column)
        for one in map(load_protocol, names):
            sizes = [f"{len(one.splits[split]):,}" for split in ("train", "test")]
            table.add_row(*map(Text, (one.name, *sizes, one.reward, one.hash[:DIGITS])))
        Console().print(table)
        return
    if shop.protocol is not None:
        raise SettingError("--protocol names one that there is: leave it out beside --out")
    settings = {key: value for key, value in shop.settings.items() if key != "protocol"}
    if shop.split_by == "position":
        settings["goals_per_product"] = None  # the field's own split is of all goals
    shares = (validation_share, test_share)
    made = make_protocol(name or out.stem, held_out=shares, **settings)
    made.save(out)
    print_line(f"{made.stamp} saved to {out}")
