"""``llmrec serve``: sits a person in the place of a recommender's user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line
from llmrec_env.cli.policies import open_policy
from llmrec_env.cli.serving import Host, Port, kept_in, require_pages
from llmrec_env.cli.simulators import open_simulator
from llmrec_env.cli.typed import refuse_typed
from llmrec_env.common import processes

if TYPE_CHECKING:
    from llmrec_env.data.splits import Split
    from llmrec_env.evaluation.stochastic import StochasticPolicy
    from llmrec_env.users.base import UserSimulator


@options.option_groups
@clear_errors()
def serve(
    context: typer.Context,
    log: options.SplitLogOptions,
    out: Annotated[
        Path,
        typer.Option(help="Folder for the answers of people. The same command goes on with it."),
    ] = Path("runs/seat"),
    simulator: options.Simulator = None,
    user: Annotated[
        str | None,
        typer.Option(
            help="Whose history everybody gets, a test user of the log. If not given, people name "
            "one, or one is drawn."
        ),
    ] = None,
    agent: Annotated[
        str,
        typer.Option(
            help="Who recommends: random; popular, by the training users; own, what the simulated "
            "user itself would take next; a folder of a saved recommender; or a .zip of "
            "stable-baselines3."
        ),
    ] = "own",
    epsilon: Annotated[
        float,
        options.number(
            "Share of random items among those that the agent chooses, so that some are skipped.",
            least=0,
            most=1,
        ),
    ] = 0.3,
    items: Annotated[int, options.number("Items that a person is shown at most.", least=1)] = 20,
    host: Host = "127.0.0.1",
    port: Port = 8001,
    device: options.Device = None,
    dtype: options.Dtype = None,
    seed: options.Seed = 0,
) -> None:
    """Sit in the place of a recommender's user: take or skip, beside what the LE says.

    Needs the extra `serve`. It is reached from this machine alone, unless --host says otherwise.
    """
    processes.check_alone()
    if agent == "random":
        refuse_typed(context, "--agent random shows all items alike", "epsilon")
    require_pages()
    from llmrec_env.common.run_folder import RunFolder
    from llmrec_env.data.source import log_fingerprint
    from llmrec_env.web.seat.person import PersonUser
    from llmrec_env.web.seat.site import SeatSite
    from llmrec_env.web.seat.sitting import Seat
    from llmrec_env.web.serving import address_of, hosts_of, listen
    from llmrec_env.web.serving import serve as serve_site

    settings = {"simulator": simulator, "data": log.data, "seed": seed, **log.held_out}
    with listen(host, port) as bound:
        RunFolder.check(out, "serve")
        source = log.open(seed)
        simulated = open_simulator(simulator, source, device, dtype)
        simulated = simulated.with_users(source.split.test)
        policy = _choosing(agent, source.split, simulated, epsilon)
        contents = {"users": log_fingerprint(source.split.test)}
        with kept_in(out, "serve", settings, contents) as folder:
            seat = Seat(PersonUser(simulated), policy, agent, items, seed)
            about = f"Users of {source.name}; {_in_words(agent, epsilon)}"
            site = SeatSite(seat, folder, about, user)
            print_line(f"The seat is at {address_of(bound)} (Ctrl-C ends it; answers go to {out})")
            serve_site(site.application(hosts_of(host)), bound)


def _choosing(name: str, split: Split, user: UserSimulator, epsilon: float) -> StochasticPolicy:
    """Who recommends, with random items in between."""
    from llmrec_env.evaluation.stochastic import EpsilonGreedy, UniformPolicy

    if name == "random":
        return UniformPolicy()
    return EpsilonGreedy(open_policy(name, split, user, "--agent"), epsilon)


def _in_words(agent: str, epsilon: float) -> str:
    """Who recommends, as the first page says it."""
    if agent == "random":
        return "all items are random"
    chosen = {"own": "the items that the model would take next", "popular": "what is popular"}
    return f"{chosen.get(agent, f'items by {agent}')}, and {epsilon:.0%} random ones"
