"""``llmrec shop openenv``: serves the shop as OpenEnv asks."""

from __future__ import annotations

from typing import Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line
from llmrec_env.cli.serving import Host, Port
from llmrec_env.cli.shop.options import ShopOptions


@options.option_groups
@clear_errors(goes_on=False)
def openenv(
    split: Annotated[
        str, typer.Option(help="Goals to shop for: train, validation, test or all.")
    ] = "train",
    max_steps: Annotated[
        int | None,
        options.number("Answers in an episode. If not given, 15 or the protocol's.", least=1),
    ] = None,
    prompt_tokens: Annotated[
        int, options.number("Tokens of a page at most, as they are estimated.", least=256)
    ] = 1024,
    sessions: Annotated[int, options.number("Sessions at once, at most.", least=1)] = 64,
    seed: Annotated[int, options.number("Seed of the draws of goals.", least=0)] = 0,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    *,
    shop: ShopOptions,
) -> None:
    """Serve the shop to language models that shop, as OpenEnv asks.

    Each session is one shopper; all share one catalogue. Stop it with Ctrl-C. OpenEnv
    needs an environment of its own: `python examples/other_libraries/make_venv.py openenv`.
    """
    settings = {**shop.settings, "split": split}
    from llmrec_env.envs.language_agents.openenv import shop_app
    from llmrec_env.web.serving import address_of, listen, serve

    with listen(host, port) as bound:
        app = shop_app(sessions, seed, max_steps=max_steps, prompt_tokens=prompt_tokens, **settings)
        print_line(f"serving at {address_of(bound)}")
        serve(app, bound)
