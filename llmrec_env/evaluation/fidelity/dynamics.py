"""What to do about a card's figures of what happens over a session: looking ahead, and leaving."""

from __future__ import annotations

from llmrec_env.evaluation.fidelity.advised import Advice, shown
from llmrec_env.evaluation.fidelity.card import FidelityCard

FAR = 0.5
"""By how much the share of items that end a session may differ, as a share of what the log has."""


def looking_ahead(card: FidelityCard) -> list[Advice]:
    """Policies that look ahead, of which simulated and true users say the opposite."""
    found = []
    for name, gain in card.gains.items():
        if gain.agrees is False:
            assert gain.true is not None
            sure = "" if gain.contradicts else ", within chance"
            found.append(
                Advice(
                    f"{name} over the greedy policy: simulated {shown(gain.simulated)}, true "
                    f"{shown(gain.true)}{sure}",
                    "Whether it pays to look ahead is told wrongly: use the simulator to learn "
                    "what users like and not to plan within a session, or shape its reward "
                    "(DiversityReward).",
                )
            )
    return found


def leaving(card: FidelityCard) -> list[Advice]:
    """Sessions that end more or less often than people's do."""
    ends = None if card.behaviour is None else card.behaviour.ends
    if ends is None:
        return []
    apart = ends.simulated.mean - ends.logged.mean
    overlap = ends.simulated.low <= ends.logged.high and ends.logged.low <= ends.simulated.high
    if overlap or abs(apart) <= FAR * ends.logged.mean:
        return []
    often = "more" if apart > 0 else "less"
    return [
        Advice(
            f"items that end a session: simulated {ends.simulated.mean:.3f}, logged "
            f"{ends.logged.mean:.3f}",
            f"With leaving='learned' users leave {often} often than people do after what this "
            "policy shows: read returns per step, or leave it at patience.",
        )
    ]
