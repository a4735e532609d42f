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
from llmrec_env.cli.typed import typed
from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import check_new_file, local_path


@options.option_groups
@clear_errors(goes_on=False)
def protocol(
    context: typer.Context,
    out: Annotated[
        Path | None,
        typer.Option(
            help="JSON file for a new protocol of the shop that the other options name; another "
            "protocol that is there already is not replaced. If not given, those that come with "
            "the package are shown, or the one of --protocol."
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

    options_typed = {one.name: one.opts[0] for one in typed(context)}
    if out is None:
        if others := [option for own, option in options_typed.items() if own != "protocol"]:
            raise SettingError(f"{', '.join(others)} make a new protocol: name its file with --out")
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
    out = local_path(out, "--out")
    if shop.protocol is not None:
        raise SettingError("--protocol names one that there is: leave it out beside --out")
    if shop.split_by == "position" and options_typed.keys() & {"validation_share", "test_share"}:
        raise SettingError(
            "by position the published order deals the goals out: leave out --validation-share and "
            "--test-share"
        )
    name = name or out.stem
    if name in named_protocols():
        raise SettingError(
            f"{name} is the name of a protocol that comes with the package: give another one with "
            "--name"
        )
    settings = {key: value for key, value in shop.settings.items() if key != "protocol"}
    if shop.split_by == "position" and shop.goals_per_product is None:
        settings["goals_per_product"] = None  # the field's own split is of all goals
    there = load_protocol(out) if out.is_file() else None
    if there is None:
        check_new_file(out, "--out")
    made = make_protocol(name, held_out=(validation_share, test_share), **settings)
    if there is not None and there.to_json() != made.to_json():
        raise SettingError(
            f"{out} holds another protocol, {there.stamp}, which would be lost: name another file"
        )
    made.save(out)
    print_line(f"{made.stamp} saved to {out}")
