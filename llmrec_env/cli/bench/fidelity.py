"""``llmrec bench fidelity``: holds simulated users and baselines against held-out people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_report
from llmrec_env.common import processes


@options.option_groups
@clear_errors()
def fidelity(
    log: options.LogOptions,
    out: options.RunFolder = Path("runs/fidelity"),
    rows: Annotated[
        str | None,
        typer.Option(
            help="Rows of the table, with commas; a wrong name lists them all. More may be asked "
            "of the same folder later. If not given, all that read no text."
        ),
    ] = None,
    splits: Annotated[int, options.number("Splits by user.", least=1, most=options.RUNS)] = 3,
    protocol: Annotated[
        str,
        typer.Option(
            help="What is asked: complete (of users who rated everything), rated (what users rate "
            "later), taken (what they take next), or auto, which is what the log allows."
        ),
    ] = "auto",
    held_out: Annotated[
        int, options.number("Users who rated everything to hold out, of the protocol complete.", 1)
    ] = 500,
    share: Annotated[
        float,
        options.number("Share of the training users to learn from, in (0, 1].", above=0, most=1),
    ] = 1.0,
    budget: options.Budget = 1.0,
    base_model: Annotated[
        str | None,
        typer.Option(
            help="Language model of the rows base, base-ids and le-base: hub name, folder or GGUF "
            "file."
        ),
    ] = None,
    item_encoder: Annotated[
        str | None,
        typer.Option(
            help="Sentence encoder of the rows encoder, encoder-ids and le-encoder: hub name or "
            "folder."
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="Address of the OpenAI-compatible server of the rows prompted and prompted-few, "
            "such as http://localhost:8000/v1."
        ),
    ] = None,
    prompt_model: Annotated[
        str | None, typer.Option(help="The name by which that server knows its model.")
    ] = None,
    users: Annotated[
        int | None,
        options.number(
            "Held-out users of a split whom each question asks, at most, the same for every row. "
            "If not given, all.",
            least=1,
        ),
    ] = None,
    candidates: Annotated[
        int | None,
        options.number(
            "Items of each user that are judged, at most, 5 or more. If not given, all.", least=5
        ),
    ] = None,
    workers: options.Workers = None,
) -> None:
    """Measure how near rows come to what held-out people rate and take.

    Every row learns from the training users of each split. The table ends in report.html,
    results.md and rows.json, with intervals over users and paired differences.
    """
    processes.check_alone()
    from llmrec_env.experiments.fidelity import FidelitySettings, run_fidelity
    from llmrec_env.experiments.fidelity.rows import BASELINES

    settings = FidelitySettings(
        data=log.data,
        rows=BASELINES if rows is None else options.listed(rows),
        splits=splits,
        protocol=protocol,  # type: ignore[arg-type]  # checked there
        held_out=held_out,
        share=share,
        budget=budget,
        base_model=base_model,
        item_encoder=item_encoder,
        base_url=base_url,
        prompt_model=prompt_model,
        users=users,
        candidates=candidates,
        **log.reading,
    )
    print_report(run_fidelity(settings, out, workers), out)
