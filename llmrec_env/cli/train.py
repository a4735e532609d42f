"""``llmrec train``: trains a recommender on a log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line, print_rows
from llmrec_env.cli.simulators import open_simulator
from llmrec_env.cli.typed import refuse_typed
from llmrec_env.common import processes

ON_Q_HEAD = "on if the objective has a Q head"


@options.option_groups
@clear_errors()
def train(
    context: typer.Context,
    log: options.SplitLogOptions,
    out: Annotated[Path, typer.Option(help="Folder to save the recommender in.")],
    simulator: options.Simulator = None,
    backbone: Annotated[
        str, typer.Option(help="Encoder of histories: sasrec, gru4rec, caser or nextitnet.")
    ] = "sasrec",
    objective: Annotated[
        str,
        typer.Option(
            help="Loss on the logged actions: supervised; sqn, sac, snqn, sa2c or smorl, which "
            "have a Q head; or proxy, their control without RL."
        ),
    ] = "snqn",
    state: Annotated[
        bool | None, typer.Option(help="Give the LE's state to the Q head.", show_default=ON_Q_HEAD)
    ] = None,
    reward: Annotated[
        bool | None,
        typer.Option(help="Learn from the LE's reward in the Q head.", show_default=ON_Q_HEAD),
    ] = None,
    augment: Annotated[
        bool, typer.Option(help="Learn also from actions that the LE proposes.")
    ] = True,
    epochs: options.Epochs = 20,
    device: options.Device = None,
    dtype: options.Dtype = None,
    mask_seen: options.MaskSeen = None,
    seed: options.Seed = 0,
) -> None:
    """Train a recommender on a log, with or without the LE's state, reward and proposed actions.

    The same command goes on where it was stopped. Under `accelerate launch` several processes train
    one recommender together.
    """
    from agents import Recommender, RecommenderConfig
    from agents.objectives import FRAMEWORKS
    from llmrec_env.common.result_folder import ResultFolder
    from llmrec_env.data.source import log_fingerprint
    from llmrec_env.evaluation.ranking import evaluate_both
    from llmrec_env.language.saving import saved_fingerprint
    from llmrec_env.offline.manifest import saved_folder

    objective = objective.lower()
    has_q = objective in FRAMEWORKS and bool(FRAMEWORKS[objective]().q_weights)
    config = RecommenderConfig.of(
        backbone.lower(),
        objective,
        state=has_q if state is None else state,
        reward=has_q if reward is None else reward,
        augment=augment,
        epochs=epochs,
        mask_seen=mask_seen,
        seed=seed,
    )
    if not config.needs_simulator:
        why = "nothing of an LE is learned here"
        refuse_typed(context, why, "simulator", "device", "dtype")
    settings = {"config": config.settings, "dtype": dtype, **log.held_out}
    place = ResultFolder.at(out, "train", "recommender", settings)
    source = log.open(seed, ranked=True)
    user = open_simulator(simulator, source, device, dtype) if config.needs_simulator else None
    contents = {"log": log_fingerprint(source.log)}
    if user is not None:
        contents["simulated_user"] = saved_fingerprint(saved_folder(simulator or "embedded"))
    with place.claim(contents, {"device": device}):
        if place.is_finished():
            print_line(f"Saved before to {out}: nothing is left to do")
            return
        recommender = Recommender(config)
        learning = place.checkpoint.path / "learning"
        recommender.fit(source.split.train, user, source.split.validation, folder=learning)

        def save() -> None:
            found = evaluate_both(recommender, source.split.validation)
            place.finish(recommender.save)
            masked_too = "" if recommender.history[-1]["mask_seen"] else "not "
            print_rows(
                f"Validation users (the pass was chosen with seen items {masked_too}masked)",
                [{"recommender": recommender.name, **found[masked]} for masked in (False, True)],
            )
            print_line(f"Saved to {out}")

        processes.on_main(save)
