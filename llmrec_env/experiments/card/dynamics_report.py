"""The part of a card's report about what happens over a session: where it ends, and whether it pays
to look ahead."""

from __future__ import annotations

from collections.abc import Mapping

from llmrec_env.evaluation.fidelity.gains import Gain
from llmrec_env.evaluation.fidelity.session_ends import SessionEnds
from llmrec_env.reporting import Curve, Curves, Estimate, Finding, Report, Section, Table
from llmrec_env.reporting.elements import Cell

TOLD = {"column": "the log's column of sessions", "times": "the pauses between the log's times"}


def add_ends(section: Section, ends: SessionEnds, command: str) -> None:
    """Which share of the items taken end a session, logged and simulated."""
    rows: list[list[Cell]] = [
        ["items taken that end a session", Estimate(*ends.logged), Estimate(*ends.simulated)]
    ]
    note = (
        f"Sessions are told by {TOLD[ends.told]}; simulated users leave by the chance that these "
        "taught, and not by patience."
    )
    columns = ["figure", "logged", "simulated"]
    section.add(Table("Leaving", columns, rows, note=note, command=command))
    series = [
        Curve(
            who,
            list(range(1, len(own) + 1)),
            [found.mean for found in own],
            [found.low for found in own],
            [found.high for found in own],
        )
        for who, own in (("logged", ends.logged_by_place), ("simulated", ends.simulated_by_place))
        if own
    ]
    if series:
        caption = "Of the items taken at a place after the initial history, the share that end it."
        axes = ("item taken, after the initial history", "share that end it")
        section.add(Curves("Leaving over a session", caption, series, *axes))


def gain_findings(gains: Mapping[str, Gain]) -> list[Finding]:
    """Whether simulated and true users agree that it pays to look ahead, or does not."""
    known = {name: gain for name, gain in gains.items() if gain.true is not None}
    if not known:
        return []
    wrong = [name for name, gain in known.items() if not gain.agrees]
    told = "; ".join(
        f"{name}: simulated {gain.simulated.mean:+.2f}, true {gain.true.mean:+.2f}"
        f"{' (wrong)' if name in wrong else ''}"
        for name, gain in known.items()
        if gain.true is not None
    )
    return [
        Finding(
            "Whether looking ahead pays is the same here as among true users",
            not wrong,
            told,
            otherwise="Whether looking ahead pays is not the same here as among true users",
        )
    ]


def add_gains(report: Report, gains: Mapping[str, Gain], command: str) -> None:
    """What policies that look ahead gain over the greedy one."""
    true = any(gain.true is not None for gain in gains.values())
    rows: list[list[Cell]] = []
    for name, gain in gains.items():
        row: list[Cell] = [name, gain.greedy, Estimate(*gain.simulated)]
        if gain.true is not None:
            agrees = "yes" if gain.agrees else ("no" if gain.contradicts else "no, within chance")
            row += [gain.true_greedy, Estimate(*gain.true), agrees]
        rows.append(row)
    columns = ["policy", "greedy, simulated", "gain, simulated"]
    columns += ["greedy, true", "gain, true", "same sign"] if true else []
    note = "" if true else "Nobody knows what true users would have said."
    report.section(
        "Looking ahead",
        "What a policy earns more than the greedy one (the simulator's own choice), the return of "
        "an episode, the same users with the same luck. Cool-down gives up a little now, showing "
        "for a while nothing like the last three items taken; more of the same does the opposite.",
    ).add(Table("Gain over the greedy policy", columns, rows, note=note, command=command, digits=2))
