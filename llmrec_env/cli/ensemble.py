"""``llmrec ensemble``: gives an LE members, which tell how sure it is of what it answers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line, print_rows
from llmrec_env.common import processes


@options.option_groups
@clear_errors()
def ensemble(
    log: options.SplitLogOptions,
    out: Annotated[
        Path, typer.Option(help="Folder to save the LE in; one that holds something is refused.")
    ],
    simulator: options.Simulator = None,
    members: Annotated[int, options.number("Members.", least=2, most=100)] = 5,
    prior: Annotated[
        float,
        options.number(
            "How far apart members begin, beside 1, the length of an item's vector.",
            least=0,
            most=10,
        ),
    ] = 1.0,
    epochs: Annotated[int, options.number("Passes over the training users at most.", least=1)] = 8,
    min_steps: Annotated[int, options.number("Optimiser steps at least.", least=0)] = 300,
    budget: options.Budget = 1.0,
    seed: options.Seed = 0,
    device: options.Device = None,
    dtype: options.Dtype = None,
) -> None:
    """Give a fitted LE members: each answers by what the LE reads, in a way of its own, learned
    from a draw of the users. Save it to a folder, which opens wherever an LE does.

    Name the log, the split and the seed that the LE was fitted with: the members learn from its
    training users. The same command goes on where it was stopped.
    """
    from llmrec_env.common.result_folder import ResultFolder
    from llmrec_env.data.source import log_fingerprint
    from llmrec_env.language.liking_learning import LikingConfig
    from llmrec_env.language.member_learning import MembersConfig, learn_members
    from llmrec_env.language.model import LanguageEnvironment
    from llmrec_env.users.origin import EMBEDDED

    processes.check_alone()
    config = MembersConfig(members, epochs, min_steps, prior=prior, seed=seed).scaled(budget)
    liking = LikingConfig(steps=max(1, round(LikingConfig.steps * budget)), seed=seed)
    settings = {
        "simulator": simulator,
        "config": asdict(config),
        "liking": asdict(liking),
        "dtype": dtype,
        **log.held_out,
    }
    place = ResultFolder.at(out, "ensemble", "LE", settings)
    source = log.open(seed, ranked=True)
    model = LanguageEnvironment.from_pretrained(
        simulator or EMBEDDED, device or "cpu", dtype or "auto"
    )
    source.check_catalogue(model.catalogue, "the LE")
    source.check_learned(model.record, "the LE")
    contents = {"simulator": model.fingerprint or "", "log": log_fingerprint(source.log)}
    with place.claim(contents, {"device": device}):
        if place.is_finished():
            print_line(f"Saved before to {out}: nothing is left to do")
            return
        split = source.split
        learn_members(model, split.train, split.validation, config, place.checkpoint.path, liking)
        place.finish(model.save_pretrained)
        record = model.record["members"]
        names = {"member_accuracy": "a member", "accuracy": "their mean"}
        rows = [{"who": who, "accuracy of taking": record[name]} for name, who in names.items()]
        print_rows("Validation users: their items told from others", rows)
        if budget < 1:
            print_line(
                f"A try at {budget:g} of the usual lengths: these numbers are no measurement"
            )
        print_line(f"Saved to {out}")
