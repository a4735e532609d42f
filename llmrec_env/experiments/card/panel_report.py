"""The part of a card's report about a panel of policies: who puts them in the true order?"""

from __future__ import annotations

from llmrec_env.evaluation.fidelity.panel import PanelOrder
from llmrec_env.evaluation.ope.evaluation import FEW
from llmrec_env.evaluation.policy_ranking import REGRET, TAU_BETTER
from llmrec_env.reporting import Estimate, Finding, Report, Table, Text
from llmrec_env.reporting.elements import Cell


def panel_findings(panel: PanelOrder) -> list[Finding]:
    """Whether the simulator, and an estimate from a log, may choose among good policies."""
    better = panel.tau_better
    found = [
        Finding(
            f"It orders the better half of {panel.policies} policies (tau of {TAU_BETTER:g})",
            better.mean >= TAU_BETTER,
            f"tau {better.mean:.2f} [{better.low:.2f}, {better.high:.2f}]",
            otherwise=f"It does not order the better half of {panel.policies} policies well enough "
            f"(tau below {TAU_BETTER:g})",
        )
    ]
    if panel.estimates:
        best = panel.best_estimate
        tau = None if best is None else best.tau
        found.append(
            Finding(
                f"An off-policy estimate orders the {panel.policies} policies (tau of "
                f"{TAU_BETTER:g})",
                tau is not None and tau >= TAU_BETTER,
                "none is sound" if best is None else f"{best.estimator}: tau {tau:.2f}",
                otherwise=f"No off-policy estimate orders the {panel.policies} policies well "
                f"enough (tau below {TAU_BETTER:g})",
            )
        )
    return found


def add_policies(report: Report, panel: PanelOrder, command: str) -> None:
    """The simulator as a judge of policies, and each estimate from the log of one of them."""
    section = report.section(
        "Policies",
        f"{panel.policies} policies of `llmrec bench policies`, each judged by {panel.users} "
        f"simulated and as many true users. The simulator chooses {panel.chosen}; true users like "
        f"{panel.best} best.",
    )
    rows: list[list[Cell]] = [
        ["Kendall tau, all policies", Estimate(*panel.tau)],
        ["Kendall tau, the better half", Estimate(*panel.tau_better)],
        [f"regret of choosing the best (goal {REGRET:g})", Estimate(*panel.regret)],
    ]
    section.add(Table("The simulator as a judge", ["figure", "found"], rows, command=command))
    if not panel.estimates:
        return
    estimates: list[list[Cell]] = [
        [own.estimator, own.tau, own.tau_better, own.effective] for own in panel.estimates
    ]
    columns = ["estimate", "tau, all", "tau, better half", "effective sample size"]
    note = (
        f"Kendall tau with the true returns, from a log of {panel.logged:,} episodes of one of the "
        f"policies. Below an effective sample size of {FEW:g} an estimate is chance."
    )
    section.add(
        Table("Off-policy estimates", columns, estimates, note=note, command=command, digits=2)
    )
    best = panel.best_estimate
    if best is not None:
        section.add(
            Text(
                f"To trust: {best.estimator}, the best of those that rest on {FEW:g} effective "
                "episodes or steps. It is named after the truth was seen."
            )
        )
