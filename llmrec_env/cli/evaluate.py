"""``llmrec evaluate``: measures a recommender or a simulated user on test users."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_rows
from llmrec_env.cli.simulators import open_simulator
from llmrec_env.common import processes

if TYPE_CHECKING:
    from agents import Recommender
    from llmrec_env.data.splits import Split
    from llmrec_env.evaluation.policies import Policy
    from llmrec_env.evaluation.ranking import Ranker
    from llmrec_env.users.base import UserSimulator


@clear_errors()
def evaluate(
    data: options.Data = None,
    recommender: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a trained recommender. If not given, the simulated user is measured."
        ),
    ] = None,
    simulator: options.Simulator = None,
    episodes: Annotated[
        int,
        typer.Option(
            min=0, help="Test users, with one episode each, that it recommends to at most; 0: none."
        ),
    ] = 100,
    device: options.Device = None,
    dtype: options.Dtype = None,
    seed: options.Seed = 0,
) -> None:
    """Measure a recommender, or the simulated user itself, on test users."""
    processes.check_alone()
    from llmrec_env.data.source import open_source

    source = open_source(data, seed)
    user = open_simulator(simulator, source, device, dtype)
    if recommender is None:
        _print_card(source.split, user, seed)
        return
    from agents import Recommender

    model = Recommender.load(recommender)
    _print_ranking(source.split, model)
    if episodes:
        _print_returns(source.split, user, model, episodes, seed)


def _print_card(split: Split, user: UserSimulator, seed: int) -> None:
    """How well a simulated user predicts real ones."""
    from llmrec_env.evaluation.fidelity import fidelity_card

    card = fidelity_card(user, split.train, split.test, seed)
    rows = []
    for name, reward, ranking in (
        ("simulated user", card.reward, card.ranking),
        ("popularity", card.popularity_reward, card.popularity_ranking),
    ):
        accuracy = {"accuracy, uniform": reward.uniform, "accuracy, popular": reward.popular}
        rows.append({"who": name, **accuracy, **ranking})
    print_rows("The simulated user on test users", rows)


def _print_ranking(split: Split, model: Recommender) -> None:
    """How high a recommender ranks the next item; for each kind of step where the log tells it."""
    from llmrec_env.evaluation.breakdowns import evaluate_by_event
    from llmrec_env.evaluation.ranking import Popularity, evaluate_ranking

    rankers: dict[str, Ranker] = {"popularity": Popularity(split.train), model.name: model}
    if "event" in split.test.feedback.columns:
        found = {who: evaluate_by_event(ranker, split.test) for who, ranker in rankers.items()}
    else:
        found = {
            who: {"all": evaluate_ranking(ranker, split.test)} for who, ranker in rankers.items()
        }
    for kind in found["popularity"]:
        title = "Next item, test users" + ("" if kind == "all" else f", {kind} steps")
        print_rows(title, [{"who": who, **metrics[kind]} for who, metrics in found.items()])


def _print_returns(
    split: Split, user: UserSimulator, model: Recommender, episodes: int, seed: int
) -> None:
    """What a recommender earns in episodes with the simulated user."""
    from llmrec_env.evaluation.policies import PopularPolicy, RandomPolicy
    from llmrec_env.evaluation.returns import at_most, evaluate_policy

    policies: dict[str, Policy] = {
        "random": RandomPolicy(seed),
        "popular": PopularPolicy(split.train),
        model.name: model,
    }
    rows = []
    for who, policy in policies.items():
        result = evaluate_policy(policy, user, split.test, at_most(episodes, split.test), seed)
        rows.append({"who": who, **result.summary()})
    print_rows("Episodes of test users", rows)
