"""``verdict``: a finding that stands on an interval and on enough users, or says what it lacks."""

from __future__ import annotations

from collections.abc import Sequence

from llmrec_env.experiments.tables import many
from llmrec_env.reporting import Finding

ENOUGH_USERS = 30
"""Users below which a 95% interval over users says too little to settle a claim."""
Bounds = tuple[float, float, float]
"""A difference with the ends of its 95% interval."""


def verdict(
    claim: str, evidence: str, differences: Sequence[Bounds], users: int, budget: float
) -> Finding:
    """What a run says of a claim that some differences are positive.

    It holds where every interval lies above 0, and is refuted where one lies below. It is not
    tested where trainings were cut short, or by fewer users than :data:`ENOUGH_USERS`.

    Args:
        claim: what is claimed.
        evidence: the numbers behind it.
        differences: of what is claimed to be better minus others.
        users: who were asked.
        budget: the share of their usual length that trainings had.
    """
    evidence = f"{evidence}; {many(users, 'user')}"
    if budget < 1:
        told = f"{evidence}; trainings had {100 * budget:g}% of their usual length"
        return Finding(claim, None, told)
    if users < ENOUGH_USERS:
        return Finding(claim, None, f"{evidence}, too few to tell (at least {ENOUGH_USERS})")
    holds = all(low > 0 for _, low, _ in differences)
    return Finding(claim, holds, evidence, refuted=any(high < 0 for *_, high in differences))


def shortened(budget: float) -> str:
    """The sentence that marks a run whose trainings were cut short; empty for a whole one."""
    if budget >= 1:
        return ""
    return (
        f" All trainings had {100 * budget:g}% of their usual length: this shows that everything "
        "runs, and says nothing of what is better."
    )
