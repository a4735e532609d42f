"""``llmrec card``: how near a simulated user comes to people, saved beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line
from llmrec_env.cli.simulators import open_simulator
from llmrec_env.cli.typed import typed_command
from llmrec_env.common import processes

if TYPE_CHECKING:
    from llmrec_env.data.source import Source
    from llmrec_env.experiments.card import OtherLog
    from llmrec_env.reporting import Report

HELP = (
    "Beside popularity, with commas: item-knn, implicit-mf, ease, text (the items' texts, frozen), "
    "sasrec (which learns for minutes); none: popularity alone."
)


@options.option_groups
@clear_errors(goes_on=False)
def card(
    context: typer.Context,
    log: options.SplitLogOptions,
    simulator: Annotated[
        str | None,
        typer.Argument(
            help="Folder of a saved LE (see `llmrec fit`), or true-taste. If not given, the LE of "
            "the generated world, which comes with the package."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the card; one that holds something else, or another simulated user's "
            "card, is refused. If not given, that of the simulated user; nothing is saved where it "
            "has none."
        ),
    ] = None,
    baselines: Annotated[str, typer.Option(help=HELP)] = "item-knn,implicit-mf,ease,text",
    other: Annotated[
        str | None,
        typer.Option(
            help="Log of another recommender over the same items, a folder, a file or world:NAME, "
            "on whose held-out users it is asked again; none: no such log.",
            show_default="of a generated world, the same users with other recommendations",
        ),
    ] = None,
    policies: Annotated[
        Path | None,
        typer.Option(
            help="Folder of `llmrec bench policies` with this simulated user (best with --logged): "
            "how it orders policies, and which off-policy estimate to trust, join the card."
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(help="Languages of the items' texts, with commas, for the model card: en."),
    ] = None,
    remember_skips: options.RememberSkips = None,
    budget: options.Budget = 1.0,
    device: options.Device = None,
    dtype: options.Dtype = None,
    seed: options.Seed = 0,
) -> None:
    """Make the fidelity card of a simulated user: how near it comes to people from whom it never
    learned, what to do about each figure that is bad, and a model card for the Hugging Face Hub.

    Name the log, the split and the seed that the LE was fitted with: test users judge it.
    """
    from llmrec_env.common.files import check_writable, local_path
    from llmrec_env.common.saved_folder import check_card_place
    from llmrec_env.envs.next_item.simulators import is_name
    from llmrec_env.experiments.card import make_card, panel_order, save_card
    from llmrec_env.experiments.card.baselines import named_baselines
    from llmrec_env.experiments.card.report import IN_SHORT, card_report
    from llmrec_env.experiments.card.saving import check_card_folder

    processes.check_alone()
    own = None if simulator is None or is_name(simulator) else local_path(simulator)
    place = own if out is None else local_path(out, "--out")
    names = () if baselines == "none" else named_baselines(options.listed(baselines))
    if place is not None:
        check_writable(place, "--out")
        check_card_place(place, own)
    _tell_beforehand(names, place)
    source = log.open(seed, ranked=True)
    user = open_simulator(simulator, source, device, dtype)
    if out is not None:
        check_card_folder(out, user)
    if remember_skips is not None:
        user = user.with_remember_skips(remember_skips)
    elsewhere = _other_log(log, other, source, seed)
    panel = None if policies is None else panel_order(policies, source, user)
    found = make_card(user, source, seed, names, budget, elsewhere, panel)
    data = Path(source.name).name
    report = card_report(found, data, typed_command(context))
    if place is None:
        _print_all(report)
        print_line("\nNot saved: name a folder with --out")
        return
    files = save_card(found, report, place, data, options.listed(language or ""))
    report.print(only=[IN_SHORT])
    print_line(f"\nSaved to {place}: {', '.join(files)}")
    print_line(f"Every table and figure: {place / files[-1]}")


def _print_all(report: Report) -> None:
    """All that nothing will keep, what matters most last, where it is seen."""
    from llmrec_env.experiments.card.report import IN_SHORT

    report.print(only=[part.title for part in report.sections if part.title != IN_SHORT])
    report.print(only=[IN_SHORT])


def _other_log(
    log: options.SplitLogOptions, other: str | None, source: Source, seed: int
) -> OtherLog | None:
    """Another recommender's log: what was named, else the same generated world's."""
    from llmrec_env.experiments.card import OtherLog

    if other == "none":
        return None
    if other is None:
        return OtherLog.of_world(source, seed)
    return OtherLog.of(replace(log, data=other).open(seed, ranked=True), source)


def _tell_beforehand(baselines: Sequence[str], place: Path | None) -> None:
    """What takes minutes, and what will be lost, while it can still be changed."""
    if baselines:
        print_line(
            f"First are learned, to stand beside it: {', '.join(baselines)}. It may take minutes; "
            "--baselines none leaves them out."
        )
    if place is None:
        print_line("Nothing will be saved: name a folder with --out to keep the card.")
