"""What to do about a card's figures from outside its log: another recommender's log, a panel of
policies, and estimates from the log of one."""

from __future__ import annotations

from llmrec_env.evaluation.fidelity.advised import Advice, shown
from llmrec_env.evaluation.fidelity.card import SIMULATOR, FidelityCard
from llmrec_env.evaluation.fidelity.other_log import KEPT, TRUE_USERS
from llmrec_env.evaluation.policy_ranking import REGRET, TAU, TAU_BETTER

KEPT_GOAL = 0.8
"""The share of its accuracy that a simulator is to keep on another recommender's log."""


def other_log(card: FidelityCard) -> list[Advice]:
    """Accuracy that another recommender's log takes from the simulator, and not from true users."""
    rows = card.counterfactual
    found = []
    for name, own in rows.get(SIMULATOR, {}).items():
        true = rows.get(TRUE_USERS, {}).get(name)
        harder = 1.0 if true is None else min(true.mean, 1.0)  # a harder question for everybody
        if name.startswith(KEPT) and own.mean < KEPT_GOAL * harder and own.high < harder:
            besides = "" if true is None else f" ({true.mean:.3f} of the true users')"
            found.append(
                Advice(
                    f"accuracy {name} on another recommender's log {shown(own)}{besides}",
                    "It learned what was shown as well as what is liked: do not compare policies "
                    "that show quite other things than the log's recommender did. Fit on a log "
                    "some of whose items were shown at random, or on both logs together.",
                )
            )
    return found


def policies(card: FidelityCard) -> list[Advice]:
    """An order of policies by which nobody should choose."""
    panel = card.policies
    if panel is None:
        return []
    found, judge = [], panel.best_estimate
    sure = judge is not None and judge.tau_better is not None and judge.tau_better >= TAU_BETTER
    among = f"{judge.estimator} on a log of a policy that explores" if judge and sure else ""
    choose = f"by {among} or by true users" if among else "by true users, or by a second judge"
    if panel.tau.mean < TAU:
        figure = f"Kendall tau of {panel.policies} policies {shown(panel.tau)}"
        sentence = "Its order of policies is a rough guide: only large differences of return count."
        found.append(Advice(figure, sentence))
    if panel.tau_better.mean < TAU_BETTER:
        found.append(
            Advice(
                f"Kendall tau of the better half {shown(panel.tau_better)}",
                "It does not order good policies: let it throw out the bad ones, and choose among "
                f"the others {choose}.",
            )
        )
    if panel.regret.mean > REGRET:
        found.append(
            Advice(
                f"regret of choosing {panel.chosen} {shown(panel.regret)}",
                f"True users like {panel.best} best: do not ship the simulator's favourite alone; "
                f"try the best few {choose}.",
            )
        )
    return found


def estimates(card: FidelityCard) -> list[Advice]:
    """Off-policy estimates none of which orders the panel."""
    panel = card.policies
    if panel is None or not panel.estimates:
        return []
    best = panel.best_estimate
    if best is not None and best.tau is not None and best.tau >= TAU_BETTER:
        return []
    told = "none sound" if best is None else f"best {best.estimator}, tau {best.tau:.2f}"
    return [
        Advice(
            f"off-policy estimates of {panel.policies} policies: {told}",
            "No estimate from that log orders the policies: log more episodes, by a policy that "
            "explores more, and estimate one step at a time.",
        )
    ]
