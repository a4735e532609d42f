"""``llmrec shop serve``: lets people shop in a browser, and watch replays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line
from llmrec_env.cli.serving import Host, Port, kept_in, require_pages
from llmrec_env.cli.shop.options import ShopOptions


@options.option_groups
@clear_errors()
def serve(
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for what people do, as rollouts that agents learn from. The same command "
            "goes on with it."
        ),
    ] = Path("runs/shop_people"),
    split: Annotated[
        str, typer.Option(help="Goals to choose from: train, validation, test or all.")
    ] = "train",
    policy: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder that `llmrec shop train` named at its end: shown beside a person on the "
            "same goal; once for each. If no other option of the shop is given, all shop in the "
            "shop of its training."
        ),
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="File of saved rollouts, to watch step by step.")
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    seed: Annotated[
        int | None, options.number("Seed that draws goals. If not given, it is random.", least=0)
    ] = None,
    *,
    shop: ShopOptions,
) -> None:
    """Shop in a browser: search, choose, buy; then see the reward and how agents did.

    Needs the extra `serve`. It is reached from this machine alone, unless --host says otherwise.
    """
    policies, chosen = {}, shop.settings
    require_pages()
    from agents.shop.rollouts import load_rollouts
    from llmrec_env.common.run_folder import RunFolder
    from llmrec_env.web.serving import address_of, hosts_of, listen
    from llmrec_env.web.serving import serve as serve_site
    from llmrec_env.web.shop.site import ShopSite
    from llmrec_env.web.shop.trajectories import Trajectories

    RunFolder.check(out, "shop serve")
    rollouts = [] if replay is None else load_rollouts(replay)
    if policy:
        from agents.shop.pipeline import load_policy, trained_in

        policies = {str(folder): load_policy(folder) for folder in policy}
        chosen = trained_in(policy[0]) if shop == ShopOptions() else chosen
    settings = {**chosen, "split": split}
    with listen(host, port) as bound, kept_in(out, "shop serve", settings) as folder:
        site = ShopSite(settings, Trajectories(folder), policies, rollouts, str(replay), seed)
        print_line(f"Shop at {address_of(bound)} (Ctrl-C ends it; episodes go to {out})")
        serve_site(site.application(hosts_of(host)), bound)
