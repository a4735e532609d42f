"""``llmrec collect``: writes what a policy showed to users, with its propensities."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line, print_rows
from llmrec_env.cli.policies import open_policy
from llmrec_env.cli.simulators import called
from llmrec_env.cli.typed import refuse_typed
from llmrec_env.common import processes
from llmrec_env.common.errors import SettingError
from llmrec_env.common.extras import require

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmrec_env.data.splits import Split
    from llmrec_env.evaluation.stochastic import StochasticPolicy
    from llmrec_env.offline.collected import CollectedLog
    from llmrec_env.users.base import UserSimulator

EPSILON = 0.1
PARTS = ("train", "validation", "test")


@options.option_groups
@clear_errors()
def collect(
    context: typer.Context,
    log: options.SplitLogOptions,
    out: Annotated[
        Path,
        typer.Option(help="Folder for the log. The same command goes on where it was stopped."),
    ],
    policy: Annotated[
        str,
        typer.Option(
            help="Who recommends: random; popular, by the training users of --data; own, what the "
            "simulated user itself would take next; a folder of a saved recommender; or a .zip of "
            "stable-baselines3."
        ),
    ] = "random",
    simulator: Annotated[
        str | None,
        typer.Option(
            help="Who answers: folder of a saved LE (see `llmrec fit`), or true-taste, the true "
            "users of the generated world, and true-taste:NAME, those of another one. If not "
            "given, the LE that comes with the package."
        ),
    ] = None,
    users: Annotated[
        str | None,
        typer.Option(
            help="Whose episodes: train, validation or test, a part of --data. If not given, those "
            "that the simulated user brings."
        ),
    ] = None,
    episodes: Annotated[
        int, options.number("Episodes; every user has one before any has a second.", least=1)
    ] = 1000,
    epsilon: Annotated[
        float | None,
        options.number(
            "Probability of a random item in place of the best one, so that every item may be "
            "shown. If not given, 0.1.",
            above=0,
            most=1,
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        options.number(
            "Draw items by the softmax of scores at this temperature, in place of --epsilon; 1 is "
            "the own distribution of PPO and the like.",
            above=0,
        ),
    ] = None,
    patience: Annotated[
        int, options.number("Skips in a row after which a user leaves.", least=1)
    ] = 5,
    remember_skips: options.RememberSkips = None,
    leaving: Annotated[
        str,
        typer.Option(
            help="When users leave: patience, or learned, by the chance that the simulated user "
            "learned from sessions."
        ),
    ] = "patience",
    max_episode_steps: Annotated[int, options.number("Steps of an episode at most.", least=1)] = 50,
    d3rlpy: Annotated[
        bool, typer.Option(help="Write it for d3rlpy too: dataset.h5 in the folder.")
    ] = False,
    minari: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Write it as a dataset of Minari too, such as llmrec/true-taste/random-v0.",
        ),
    ] = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    seed: options.Seed = 0,
) -> None:
    """Collect a log: what a policy shows to simulated users, how probably, and what comes of it."""
    processes.check_alone()
    from llmrec_env.common.result_folder import ResultFolder
    from llmrec_env.data.source import log_fingerprint
    from llmrec_env.envs.next_item.simulators import resolve_simulator
    from llmrec_env.evaluation.collecting import prepare
    from llmrec_env.evaluation.collecting_folder import collect_to
    from llmrec_env.offline.collected import CollectedLog

    _check_options(context, policy, users, temperature)
    if d3rlpy:
        require("d3rlpy", "d3rlpy")
    chosen: dict[str, Any] = {} if leaving == "patience" else {"leaving": leaving}
    if remember_skips is not None:
        chosen["remember_skips"] = remember_skips
    settings = {
        **{"policy": policy, "epsilon": epsilon, "temperature": temperature},
        **{"simulator": simulator, "users": users, "episodes": episodes, "dtype": dtype},
        **{"patience": patience, "max_episode_steps": max_episode_steps, "seed": seed},
        **chosen,
        **log.held_out,
    }
    place = ResultFolder.at(out, "collect", "collected log", settings)
    user = resolve_simulator(simulator, device=device, dtype=dtype)
    split = _split(log, simulator, seed, user) if policy == "popular" or users else None
    part = getattr(split, users) if users else None
    plan = prepare(
        _choosing(policy, split, user, epsilon, temperature),
        user,
        part,
        episodes,
        seed,
        max_episode_steps,
        simulator or "embedded",
        patience=patience,
        **chosen,
    )
    if minari is not None and _is_in_minari(minari, plan.about):
        minari = None
    whose = user.users if part is None else part
    assert whose is not None
    contents = {
        "users": log_fingerprint(whose),
        "policy": _fingerprint(policy),
        "simulator": _fingerprint(simulator or ""),
    }
    with place.claim(contents, {"device": device}):
        if not place.is_finished():
            collect_to(place, plan)
    collected = CollectedLog.load(out)
    _print(collected, out)
    if d3rlpy:
        _write_d3rlpy(collected, out)
    if minari is not None:
        _write_minari(collected, minari)


def _check_options(
    context: typer.Context, policy: str, users: str | None, temperature: float | None
) -> None:
    if users not in (None, *PARTS):
        raise SettingError(f"--users is {', '.join(PARTS)}, got {users!r}")
    if policy == "random":
        refuse_typed(context, "--policy random shows all items alike", "epsilon", "temperature")
    if temperature is not None:
        refuse_typed(context, "--temperature is another way to choose", "epsilon")
    if policy != "popular" and users is None:
        log = (field.name for field in fields(options.SplitLogOptions))
        refuse_typed(context, "--users and --policy popular alone ask for a log", *log)


def _split(
    log: options.SplitLogOptions, simulator: str | None, seed: int, user: UserSimulator
) -> Split:
    """The parts of --data, which must have the items of the simulated user."""
    if log.data is None and simulator is not None and simulator.startswith("true-taste:"):
        log = replace(log, data=f"world:{simulator.partition(':')[2]}")
    source = log.open(seed)
    source.check_catalogue(user.catalogue, called(simulator))
    return source.split


def _choosing(
    name: str,
    split: Split | None,
    user: UserSimulator,
    epsilon: float | None,
    temperature: float | None,
) -> StochasticPolicy:
    """The policy that collects, with a probability for every item."""
    from llmrec_env.evaluation.stochastic import EpsilonGreedy, SoftmaxPolicy, UniformPolicy

    if name == "random":
        return UniformPolicy()
    scores = open_policy(name, split, user, "--policy")
    if temperature is not None:
        return SoftmaxPolicy(scores, temperature)
    return EpsilonGreedy(scores, EPSILON if epsilon is None else epsilon)


def _fingerprint(name: str) -> str:
    """What a folder or file holds, so that another one under its name is not taken for it."""
    from llmrec_env.common.files import fingerprint, folder_fingerprint

    path = Path(name).expanduser()
    if name and path.is_dir():
        return folder_fingerprint(path)
    return fingerprint([path.read_bytes()]) if path.is_file() else name


def _print(log: CollectedLog, out: Path) -> None:
    from llmrec_env.evaluation.intervals import interval

    mean, low, high = interval(log.returns)
    row: dict[str, Any] = {
        "policy": log.about["policy"],
        "episodes": log.n_episodes,
        "steps": len(log),
        "return": f"{mean:.2f} [{low:.2f}, {high:.2f}]",
        "taken": float(log.accepted.mean()),
        "users left": float(log.terminated.mean()),
        "smallest propensity": f"{log.propensities.min():.2g}",
    }
    print_rows("The collected log, its return with a 95% interval over episodes", [row])
    print_line(f"Saved to {out}")


def _write_d3rlpy(log: CollectedLog, out: Path) -> None:
    from llmrec_env.common.files import atomic_path
    from llmrec_env.offline.d3rlpy import to_mdp_dataset

    with atomic_path(out / "dataset.h5") as path, path.open("wb") as file:
        to_mdp_dataset(log).dump(file)
    print_line(f"For d3rlpy: {out / 'dataset.h5'}")


def _is_in_minari(dataset_id: str, about: Mapping[str, Any]) -> bool:
    from llmrec_env.offline.minari import is_written

    return is_written(dataset_id, about)


def _write_minari(log: CollectedLog, dataset_id: str) -> None:
    from llmrec_env.offline.minari import to_minari

    to_minari(log, dataset_id)
    print_line(f"For Minari: minari.load_dataset({dataset_id!r})")
