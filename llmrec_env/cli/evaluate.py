"""``llmrec evaluate``: measures a recommender or a simulated user on test users."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line, print_rows
from llmrec_env.cli.simulators import open_simulator
from llmrec_env.cli.typed import refuse_typed
from llmrec_env.common import processes

KS = (5, 10, 20)

if TYPE_CHECKING:
    from agents import Recommender
    from llmrec_env.common.arrays import BoolArray, Float64Array
    from llmrec_env.data.log import InteractionLog
    from llmrec_env.data.source import Source
    from llmrec_env.data.splits import Split
    from llmrec_env.evaluation.intervals import Interval
    from llmrec_env.evaluation.policies import Policy
    from llmrec_env.evaluation.ranking import Ranker
    from llmrec_env.users.base import UserSimulator


@options.option_groups
@clear_errors(goes_on=False)
def evaluate(
    context: typer.Context,
    log: options.SplitLogOptions,
    recommender: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a trained recommender. If not given, the simulated user is measured."
        ),
    ] = None,
    simulator: options.Simulator = None,
    other: Annotated[
        str | None,
        typer.Option(
            help="Log of another recommender over the same items, a folder, a file or world:NAME: "
            "also say how much of its accuracy the simulated user keeps there."
        ),
    ] = None,
    episodes: Annotated[
        int,
        options.number(
            "Test users, with one episode each, that it recommends to at most; 0: none.", least=0
        ),
    ] = 100,
    device: options.Device = None,
    dtype: options.Dtype = None,
    seed: options.Seed = 0,
) -> None:
    """Measure a recommender, or the simulated user itself, on test users."""
    processes.check_alone()
    if recommender is None:
        refuse_typed(context, "a --recommender alone has episodes", "episodes")
    else:
        refuse_typed(context, "a simulated user alone is asked of another log", "other")
    source = log.open(seed, ranked=True)
    if recommender is None:
        user = open_simulator(simulator, source, device, dtype)
        others = None if other is None else replace(log, data=other).open(seed, ranked=True)
        _print_card(source.split, user, seed)
        if others is not None:
            _print_counterfactual(source, others, user, seed)
        return
    from agents import Recommender

    model = Recommender.load(recommender, source.log.catalogue)
    if episodes or model.network.fusion is not None:
        model.simulator = open_simulator(simulator, source, device, dtype)
    else:
        refuse_typed(context, "ranking alone asks nobody", "simulator", "device", "dtype")
    _print_ranking(source.split, model)
    if episodes:
        assert model.simulator is not None
        _print_returns(source.split, model.simulator, model, episodes, seed)


def _print_card(split: Split, user: UserSimulator, seed: int) -> None:
    """How well a simulated user predicts real ones."""
    from llmrec_env.evaluation.fidelity import (
        held_out_accuracy,
        of_reward,
        of_taking,
        taking_accuracy,
    )

    card = held_out_accuracy(user, split.train, split.test, seed)
    taking = taking_accuracy(user, split.train, split.test, seed)
    names = {"simulator": "simulated user", "difference": "difference"}
    rows = [
        {
            "who": names.get(who, who),
            **{
                of_taking(name): _with_interval(found)
                for name, found in ({} if taking is None else taking[who]).items()
            },
            **{of_reward(name): _with_interval(found) for name, found in columns.items()},
            "steps": int(card.ranking["steps"]),
            "users": card.users,
        }
        for who, columns in card.intervals.items()
    ]
    print_rows("The simulated user on test users, with 95% intervals over users", rows)
    if taking is not None:
        print_line(
            "The reward is how much they like things, learned from ratings, and people do not take "
            "what they like best: whether they take something, the chance of taking says."
        )


def _print_counterfactual(source: Source, other: Source, user: UserSimulator, seed: int) -> None:
    """How much of its accuracy a simulated user keeps on another recommender's log."""
    from llmrec_env.evaluation.counterfactual import (
        counterfactual_accuracy,
        counterfactual_popularity,
        strangers_of,
    )
    from llmrec_env.users.true_taste import TrueTasteUser

    own, others = source.split.test, strangers_of(other.split.test, source.split.train)
    found = {
        "simulated user": counterfactual_accuracy(user, own, others, seed),
        "popularity": counterfactual_popularity(source.split.train, own, others, seed),
    }
    if source.world is not None and other.world is not None:
        found["true users"] = counterfactual_accuracy(
            TrueTasteUser(source.world), own, others, seed
        )
    parts = ("own", "other", "kept", "kept_above_chance")
    rows = [
        {"who": who}
        | {
            f"{kind}, {part.replace('_', ' ')}": _with_interval(getattr(accuracy, part)[kind])
            for kind in accuracy.own
            for part in parts
        }
        for who, accuracy in found.items()
    ]
    print_rows(
        f"Accuracy of the reward on its own log, and what is kept of it on {other.name}", rows
    )


def _print_ranking(split: Split, model: Recommender) -> None:
    """How high a recommender ranks the next item; for each kind of step where the log tells it."""
    from llmrec_env.evaluation.breakdowns import event_steps
    from llmrec_env.evaluation.ranking import Popularity, both_step_ranks, ranking_metrics

    rankers: dict[str, Ranker] = {"popularity": Popularity(split.train), model.name: model}
    ranks = {who: both_step_ranks(ranker, split.test) for who, ranker in rankers.items()}
    kinds: dict[str, BoolArray | None] = {"": None}
    if "event" in split.test.feedback.columns:
        kinds |= {f", {kind} steps": steps for kind, steps in event_steps(split.test).items()}
    for kind, steps in kinds.items():
        rows = [
            {
                "who": who,
                **ranking_metrics(found[masked] if steps is None else found[masked][steps], KS),
                **_intervals(split.test, found[masked], steps),
                "mask_seen": masked,
            }
            for masked in (False, True)
            for who, found in ranks.items()
        ]
        print_rows(f"Next item, test users{kind}", rows)


def _intervals(log: InteractionLog, ranks: Float64Array, steps: BoolArray | None) -> dict[str, str]:
    """The 95% intervals over users of the usual metrics."""
    from llmrec_env.evaluation.ranking import ranking_intervals

    found = ranking_intervals(log, ranks, only=steps)
    return {f"{name}, 95%": _with_interval(own).partition(" ")[2] for name, own in found.items()}


def _with_interval(found: Interval) -> str:
    return f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]"


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
