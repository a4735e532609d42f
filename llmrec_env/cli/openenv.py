"""``llmrec openenv``: serves simulated users to recommend to, as OpenEnv asks."""

from __future__ import annotations

from typing import Annotated

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line
from llmrec_env.cli.serving import Host, Port


@options.option_groups
@clear_errors(goes_on=False)
def openenv(
    simulator: options.Simulator = None,
    max_recommended: Annotated[int, options.number("Items shown in an episode.", least=1)] = 10,
    max_steps: Annotated[
        int, options.number("Searches, looks and recommendations in an episode.", least=1)
    ] = 30,
    sessions: Annotated[int, options.number("Sessions at once, at most.", least=1)] = 64,
    seed: Annotated[int, options.number("Seed of the users who come.", least=0)] = 0,
    host: Host = "127.0.0.1",
    port: Port = 8000,
) -> None:
    """Serve simulated users to language models that recommend, as OpenEnv asks.

    Each session is one user; all answer from one LE. Stop it with Ctrl-C. OpenEnv
    needs an environment of its own: `python examples/other_libraries/make_venv.py openenv`.
    """
    from llmrec_env.envs.language_agents.openenv import recommend_app
    from llmrec_env.web.serving import address_of, listen, serve

    settings = {} if simulator is None else {"simulator": simulator}
    with listen(host, port) as bound:
        app = recommend_app(
            sessions, seed, max_recommended=max_recommended, max_steps=max_steps, **settings
        )
        print_line(f"serving at {address_of(bound)}")
        serve(app, bound)
