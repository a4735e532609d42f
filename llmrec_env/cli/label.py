"""``llmrec label``: writes a log as transitions for offline RL."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line
from llmrec_env.cli.simulators import called
from llmrec_env.cli.typed import refuse_typed
from llmrec_env.common import processes
from llmrec_env.common.errors import SettingError

if TYPE_CHECKING:
    from llmrec_env.data.log import InteractionLog


@options.option_groups
@clear_errors()
def label(
    context: typer.Context,
    files: options.SplitLogOptions,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the parquet files. The same command goes on where it was stopped."
        ),
    ],
    log: Annotated[
        Path | None,
        typer.Option(
            help="Parquet file of user_id and item_id (each user's rows together, oldest first) of "
            "any length, in place of the training users of --data."
        ),
    ] = None,
    simulator: options.Simulator = None,
    augment: Annotated[
        int, options.number("Actions that the LE adds to each logged one.", least=0, most=50)
    ] = 1,
    shard_rows: Annotated[
        int | None,
        options.number("Interactions in a file at least. If not given, 10,000.", least=1),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="Who does the work: local (this process) or ray.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Running Ray cluster to connect to. If not given, Ray is started here."),
    ] = None,
    actors: Annotated[
        int | None,
        options.number("LEs at work at once with ray. If not given, all that fit.", least=1),
    ] = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    seed: options.Seed = 0,
) -> None:
    """Write a log as transitions: the LE's states and rewards, and actions that it adds."""
    processes.check_alone()
    if engine not in ("local", "ray"):
        raise SettingError(f"--engine is local or ray, got {engine!r}")
    if engine == "local" and (actors is not None or address is not None):
        raise SettingError("--actors and --address belong to --engine ray")
    if log is not None:
        others = (field.name for field in fields(files))
        refuse_typed(context, "--log is the whole log, read as it is", *others, "seed")
    from llmrec_env.offline.files import count_rows
    from llmrec_env.offline.manifest import check_folder
    from llmrec_env.offline.sharding import SHARD_ROWS

    check_folder(out)
    source = _log_to_label(files, log, simulator, seed)
    settings: dict[str, Any] = {
        "simulator": simulator or "embedded",
        "augment": augment,
        "shard_rows": shard_rows or SHARD_ROWS,
        "device": device or "cpu",
        "dtype": dtype or "auto",
    }
    if engine == "ray":
        from llmrec_env.offline import distributed

        distributed.label(source, out, actors=actors, address=address, **settings)
    else:
        from llmrec_env.offline import sharding

        sharding.label(source, out, **settings)
    rows, added = count_rows(out)
    print_line(f"{rows} transitions ({added} added) in {out}")


def _log_to_label(
    files: options.SplitLogOptions, log: Path | None, simulator: str | None, seed: int
) -> InteractionLog | Path:
    """A parquet file, or the training users of a dataset whose items the LE knows."""
    if log is None:
        from llmrec_env.language.saving import saved_catalogue
        from llmrec_env.offline.manifest import saved_folder

        source = files.open(seed)
        known = saved_catalogue(saved_folder(simulator or "embedded"))
        source.check_catalogue(known, called(simulator))
        return source.split.train
    return log
