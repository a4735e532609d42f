"""The report of a fidelity card: tables, reliability and behaviour curves, and advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmrec_env.evaluation.fidelity import FidelityCard, Reliability, advice
from llmrec_env.evaluation.fidelity.advice import ECE_GOAL
from llmrec_env.evaluation.fidelity.card import SIMULATOR, Measures
from llmrec_env.evaluation.fidelity.moments import POPULAR, UNIFORM
from llmrec_env.evaluation.fidelity.other_log import KEPT
from llmrec_env.evaluation.fidelity.outcomes import LEFT, SHOWN, TRUTH
from llmrec_env.evaluation.fidelity.outside import KEPT_GOAL
from llmrec_env.evaluation.fidelity.wording import of_taking
from llmrec_env.evaluation.intervals import Interval
from llmrec_env.experiments.card.dynamics_report import add_ends, add_gains, gain_findings
from llmrec_env.experiments.card.panel_report import add_policies, panel_findings
from llmrec_env.reporting import (
    Curve,
    Curves,
    Estimate,
    Facts,
    Finding,
    Forest,
    Report,
    Section,
    Table,
    Text,
)

AGAINST = {
    SHOWN: "what was shown",
    LEFT: "takes beside popular items never taken",
    POPULAR: "takes among items shown by popularity",
    UNIFORM: "takes among items shown alike",
    TRUTH: "the true chances",
}
SHORT = {
    SHOWN: "shown",
    LEFT: "beside items never taken",
    POPULAR: "shown by popularity",
    UNIFORM: "shown alike",
    TRUTH: "true chances",
}
IN_SHORT = "In short"
LEDE = "How near simulated users come to people whom they never met: 95% intervals over users."


def card_report(card: FidelityCard, data: str, command: str = "") -> Report:
    """A card as a report.

    Args:
        card: what is known.
        data: what to call the log.
        command: that made it.
    """
    about = card.about
    report = Report(
        title=f"Fidelity card of simulated users of {data}",
        lede=LEDE,
        command=command,
        settings={"data": data},
        seeds={"seed": about["seed"]},
    )
    _add_summary(report, card)
    report.section(
        "Acceptance",
        "Is the item that a user took next told from one that they never took, by the chance of "
        "taking? Accuracy of taking: the share of moments at which it has the higher chance. AUC: "
        "the chance that an item taken by anybody stands above one left by anybody.",
    ).add(
        _table("Acceptance", card.acceptance, command),
        *_difference_figures(card, "accuracy, popular"),
    )
    if card.liking:
        lede = "Rewards after the first half of each user's history, against their later ratings."
        report.section("Liking", lede).add(
            _table("Liking", card.liking, command), *_difference_figures(card, "Spearman")
        )
    if card.truth:
        lede = "Per user over unseen items, against what the true users like."
        report.section("Truth", lede).add(_table("Agreement with the truth", card.truth, command))
    _add_calibration(report, card, command)
    if card.counterfactual:
        report.section("On another recommender's log", _other_log(card)).add(
            _table("Accuracy kept", card.counterfactual, command)
        )
    if card.policies is not None:
        add_policies(report, card.policies, command)
    if card.gains:
        add_gains(report, card.gains, command)
    if card.behaviour is not None:
        _add_behaviour(report.section("Behaviour"), card, command)
    return report


def _other_log(card: FidelityCard) -> str:
    return (
        f"The same questions about held-out users of {card.about.get('other_log', 'another log')}, "
        "where others decided what was shown; kept is the ratio to the accuracy above. Where true "
        "users keep less too, or more, the question is a harder or an easier one for everybody."
    )


def _add_summary(report: Report, card: FidelityCard) -> None:
    about, ece = card.about, card.ece
    section = report.section(IN_SHORT)
    section.add(
        Facts(
            {
                of_taking("accuracy, popular"): _estimate(
                    card.acceptance[SIMULATOR]["accuracy, popular"]
                ),
                "ECE of acceptance": _estimate(ece),
                "users": about["judged_users"],
                "moments": about["moments"],
            }
        ),
        Finding(
            f"The chance of taking is calibrated within {ECE_GOAL:g}",
            ece.mean <= ECE_GOAL,
            f"ECE {ece.mean:.4f} [{ece.low:.4f}, {ece.high:.4f}] against "
            f"{AGAINST[card.judged_against]}",
            otherwise=f"The chance of taking is off by more than {ECE_GOAL:g}",
        ),
        *_other_findings(card),
        *gain_findings(card.gains),
    )
    found = advice(card)
    if not found:
        section.add(Text("Nothing that a figure of this card warns of."))
        return
    rows = [[one.figure, one.sentence] for one in found]
    section.add(Table("What to do", ["figure", "what to do"], rows))


def _other_findings(card: FidelityCard) -> list[Finding]:
    """Whether it holds elsewhere, where that was asked."""
    own = card.counterfactual.get(SIMULATOR, {}).get(f"{KEPT}{POPULAR}")
    found = (
        []
        if own is None
        else [
            Finding(
                f"It keeps {KEPT_GOAL:.0%} of its accuracy of taking on another recommender's log",
                own.mean >= KEPT_GOAL,
                f"kept {own.mean:.3f} [{own.low:.3f}, {own.high:.3f}] against popular items",
                otherwise=f"It keeps less than {KEPT_GOAL:.0%} of its accuracy of taking on "
                "another recommender's log",
            )
        ]
    )
    return found if card.policies is None else [*found, *panel_findings(card.policies)]


def _difference_figures(card: FidelityCard, name: str) -> list[Forest]:
    """The simulator less each baseline in one figure."""
    rows = {who: Estimate(*own[name]) for who, own in card.differences.items() if name in own}
    if len(rows) < 2:
        return []
    shown = of_taking(name)
    title, caption = f"Less each baseline: {shown}", "The simulator is better right of the line."
    return [Forest(title, caption, rows, f"difference in {shown}")]


def _add_calibration(report: Report, card: FidelityCard, command: str) -> None:
    section = report.section(
        "Calibration",
        "Is an item taken as often as the chance says? Where the log does not tell what was shown, "
        "the takes stand beside items never taken, or against items as somebody might have shown "
        "them who knew nobody, and the level is the simulator's own.",
    )
    rows = [
        [AGAINST[against], _estimate(curve.ece), curve.floor, curve.rate]
        for against, curve in card.calibration.items()
    ]
    columns = ["against", "ECE", "ECE of a perfect simulator", "mean chance"]
    note = "The first row is the card's ECE."
    section.add(Table("Calibration error", columns, rows, note=note, command=command, digits=4))
    section.add(*_reliability_figures(card))
    for against, curve in card.calibration.items():
        section.add(_group_table(against, curve, command))


def _group_table(against: str, curve: Reliability, command: str) -> Table:
    rows = [
        [
            g.name,
            g.chance,
            _estimate(g.observed),
            _estimate(g.ece),
            g.shown,
            None if against == TRUTH else g.taken,
        ]
        for g in curve.groups
    ]
    columns = ["group", "mean chance", "taken", "ECE", "shown", "takes"]
    notes = {
        LEFT: "As if items never taken had been shown as often as they are popular. ",
        POPULAR: "As if items were popular because they were shown more often. ",
        UNIFORM: "As if items were popular because they are liked. ",
    }
    note = notes.get(against, "")
    if note:
        note += "Histories keep their own level, since nobody knows what was shown to whom."
    title = f"Groups, against {AGAINST[against]}"
    return Table(title, columns, rows, note=note, command=command)


def _reliability_figures(card: FidelityCard) -> list[Curves]:
    """What counts in one picture, and in another what may go beyond 1."""
    supposed = [name for name in (POPULAR, UNIFORM) if name != card.judged_against]
    counts = [name for name in card.calibration if name not in supposed]
    return [
        _reliability_figure("Reliability", card.calibration, counts),
        _reliability_figure(
            "Reliability, if items had been shown by who knew nobody", card.calibration, supposed
        ),
    ]


def _reliability_figure(
    title: str, calibration: Mapping[str, Reliability], names: Sequence[str]
) -> Curves:
    curves = {name: calibration[name] for name in names}
    highest = max(max(curve.chance) for curve in curves.values())
    series = [_curve(SHORT[name], curve.chance, curve.observed) for name, curve in curves.items()]
    series.append(Curve("perfect", [0.0, highest], [0.0, highest]))
    caption = "The share taken of items with that chance, by what stands against it."
    return Curves(title, caption, series, "chance of taking", "share taken")


def _add_behaviour(section: Section, card: FidelityCard, command: str) -> None:
    both = card.behaviour
    assert both is not None
    section.lede = (
        f"{both.logged.users} users go on from the first half of their histories: in the log, and "
        f"among what {both.policy} recommends. Items taken: until {both.patience} skips in a row. "
        "The rest is of sessions cut to equal length, user by user."
    )
    rows = [
        [name, _estimate(found), _estimate(both.simulated.figures.get(name))]
        for name, found in both.logged.figures.items()
    ]
    section.add(Table("Sessions", ["figure", "logged", "simulated"], rows, command=command))
    if both.ends is not None:
        add_ends(section, both.ends, command)
    for title, name, first in (("Popularity", "popularity", 1), ("Diversity", "diversity", 2)):
        curves = {"logged": getattr(both.logged, name), "simulated": getattr(both.simulated, name)}
        series = [
            _curve(who, range(first, first + len(found)), found)
            for who, found in curves.items()
            if found
        ]
        if series:
            section.add(
                Curves(
                    f"{title} over a session",
                    _CAPTIONS[name],
                    series,
                    "item taken, by its place in the session",
                    name,
                )
            )


_CAPTIONS = {
    "popularity": "The share of training interactions with rarer items than the one taken.",
    "diversity": "One minus the mean cosine with the items taken before, by who takes them.",
}


def _curve(name: str, x: Sequence[float], found: Sequence[Interval]) -> Curve:
    return Curve(
        name, list(x), [i.mean for i in found], [i.low for i in found], [i.high for i in found]
    )


def _table(title: str, rows: Mapping[str, Measures], command: str) -> Table:
    columns = list(rows[SIMULATOR])
    cells = [[who, *(_estimate(own.get(name)) for name in columns)] for who, own in rows.items()]
    others = [who for who in rows if who != SIMULATOR]
    names = [of_taking(name) for name in columns]
    return Table(title, ["who", *names], cells, controls=others, best=names, command=command)


def _estimate(found: Interval | None) -> Estimate | None:
    return None if found is None else Estimate(*found)
