"""``llmrec fit``: trains an LE, a language model that answers as the users of a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmrec_env.cli import options
from llmrec_env.cli.confirming import Yes, go_on
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line, print_rows
from llmrec_env.cli.typed import refuse_typed
from llmrec_env.common import processes

if TYPE_CHECKING:
    from llmrec_env.language.model import LanguageEnvironment


@options.option_groups
@clear_errors()
def fit(
    context: typer.Context,
    log: options.SplitLogOptions,
    out: Annotated[
        Path, typer.Option(help="Folder to save the LE in; one that holds something is refused.")
    ],
    lm: options.LMOptions,
    base_model: options.BaseModel = None,
    item_encoder: options.ItemEncoder = None,
    item_ids: Annotated[
        bool | None,
        typer.Option(
            help="Also learn a vector for each item, beyond what its text says: what users share. "
            "By default up to 50,000 items.",
            show_default=False,
        ),
    ] = None,
    feedback: Annotated[
        str,
        typer.Option(
            help="Column from which to learn how much items are liked: rating, liked, weight, "
            "event or none; auto is the first of rating, liked and weight that the log has. With "
            "none, every interaction counts alike."
        ),
    ] = "auto",
    language_model: Annotated[
        bool,
        typer.Option(
            help="Use a language model. Without one, the control: a bag of the items' texts and a "
            "logistic reward."
        ),
    ] = True,
    share: Annotated[
        float,
        options.number("Share of the training users to learn from, in (0, 1].", above=0, most=1),
    ] = 1.0,
    epochs: Annotated[int, options.number("Passes over those users at most.", least=1)] = 6,
    min_steps: Annotated[int, options.number("Optimiser steps at least.", least=0)] = 300,
    allow_untexted: options.Untexted = False,
    mask_seen: options.MaskSeen = None,
    sessions: Annotated[
        str,
        typer.Option(
            help="What tells the sessions that teach when users leave: column (session), times "
            "(pauses of half an hour), none, or auto: what there is."
        ),
    ] = "auto",
    budget: options.Budget = 1.0,
    yes: Yes = False,
    seed: options.Seed = 0,
    device: options.Device = None,
    dtype: options.Dtype = None,
) -> None:
    """Learn an LE: a language model that answers as the users of a log. Save it to a folder.

    The same command goes on where it was stopped. Under `accelerate launch` several processes
    learn one LE together.
    """
    from llmrec_env.common.result_folder import ResultFolder
    from llmrec_env.data.source import log_fingerprint
    from llmrec_env.language.fitting import FitConfig, fit_language_environment
    from llmrec_env.language.learning import LearningConfig
    from llmrec_env.language.model import LanguageEnvironmentConfig

    if not language_model:
        of_lora = ("lora_rank", "lora_modules", "gradient_checkpointing")
        refuse_typed(context, "--no-language-model has no LM that learns", *of_lora)
    config = FitConfig(
        LanguageEnvironmentConfig(item_ids=item_ids, **lm.shape),
        learning=LearningConfig(
            share=share,
            epochs=epochs,
            min_steps=min_steps,
            mask_seen=mask_seen,
            sessions=sessions,  # type: ignore[arg-type]  # refused by LearningConfig
            seed=seed,
            **lm.learning,
        ),
        item_encoder=item_encoder,
        feedback=feedback,  # type: ignore[arg-type]  # refused by FitConfig
        language_model=language_model,
        **lm.reading,
    ).scaled(budget)
    settings = {
        "config": asdict(config),
        "base_model": base_model,
        "dtype": dtype,
        "allow_untexted": allow_untexted,
        **log.held_out,
    }
    place = ResultFolder.at(out, "fit", "LE", settings)
    source = log.open(seed, ranked=True)
    contents = {"log": log_fingerprint(source.log)}
    with place.claim(contents, {"device": device}):
        if place.is_finished():
            print_line(f"Saved before to {out}: nothing is left to do")
            return
        fitted = fit_language_environment(
            source.split.train,
            source.split.validation,
            base_model,
            config,
            users=source.split.test,
            checkpoint=place.checkpoint.path,
            allow_untexted=allow_untexted,
            device=device or "cpu",
            dtype=dtype or "auto",
            confirm=lambda estimate: go_on(estimate, yes),
        )

        def save() -> None:
            place.finish(fitted.save_pretrained)
            _print(fitted)
            if budget < 1:
                print_line(
                    f"A try at {budget:g} of the usual lengths: these numbers are no measurement"
                )
            print_line(f"Saved to {out}")

        processes.on_main(save)


def _print(fitted: LanguageEnvironment) -> None:
    """How it does on validation users, before and after it learned."""
    curve = fitted.record["learning"]["curve"]
    best = max(curve, key=lambda row: row["progress"])
    rows = [{"LE": "untrained", **_shown(curve[0])}, {"LE": "learned", **_shown(best)}]
    masked = fitted.record["learning"]["mask_seen"]
    print_rows(f"Validation users, seen items {'' if masked else 'not '}masked", rows)
    print_line(_leaving(fitted.record.get("leaving")))
    if "liking" in fitted.record:
        error = -max(row["told"] for row in fitted.record["liking"]["curve"] if "told" in row)
        print_line(
            f"How they like other items is told with a squared error of {error:.2f}, where no "
            "difference at all has about 1"
        )


def _leaving(record: Mapping[str, Any] | None) -> str:
    """What was learned of when users leave."""
    if record is None:
        return "The log tells no sessions: users leave when their patience is used up"
    gain, low, high = record["log_likelihood_above_constant"]
    told = f"log likelihood {gain:+.4f} [{low:+.4f}, {high:+.4f}] an item beside one chance for all"
    kept = (
        "kept: leaving depends on what the session was like"
        if record["kept"] == "features"
        else "no better, so everybody leaves with that one chance"
    )
    return (
        f"{record['sessions']:,} sessions of validation users, by {record['told']}: of items "
        f"{record['after']} {record['rate']:.1%} end one. What tells when: {told} ({kept})"
    )


def _shown(row: Mapping[str, float]) -> dict[str, float]:
    from llmrec_env.evaluation.fidelity import of_taking

    return {of_taking(name): row[name] for name in ("NDCG@10", "accuracy")}
