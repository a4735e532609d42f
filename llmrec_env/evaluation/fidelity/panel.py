"""``PanelOrder``: how a panel of policies is ordered, by a simulator and by off-policy estimates.

The figures are those of :func:`~llmrec_env.evaluation.policy_ranking.policy_ranking`, and for each
estimator of :mod:`llmrec_env.evaluation.ope` Kendall's tau with the true returns.
"""

from __future__ import annotations

from dataclasses import dataclass

from llmrec_env.evaluation.intervals import Interval
from llmrec_env.evaluation.ope.evaluation import FEW


@dataclass(frozen=True)
class EstimateOrder:
    """How one off-policy estimator orders a panel.

    Attributes:
        estimator: its name; "one-step …" takes every step of the log for itself.
        tau: Kendall's tau with the true returns, over all policies; None where it tells none apart.
        tau_better: the same among the better half.
        effective: effective sample size, the median over policies; None where it weighs nothing.
        estimated: how many policies it could estimate.
    """

    estimator: str
    tau: float | None
    tau_better: float | None
    effective: float | None
    estimated: int


@dataclass(frozen=True)
class PanelOrder:
    """How far a simulator and off-policy estimates put policies in the true order.

    Attributes:
        policies: how many there are.
        users: who judged each, once among simulated and once among true users.
        tau: Kendall's tau of simulated and true returns, over all policies.
        tau_better: the same among the better half by true return.
        regret: share of the best true return that choosing by the simulator loses.
        chosen: what the simulator likes best.
        best: what true users like best.
        logged: episodes of the log from which estimates were made; 0 without.
        estimates: by each estimator; empty without a log.
    """

    policies: int
    users: int
    tau: Interval
    tau_better: Interval
    regret: Interval
    chosen: str
    best: str
    logged: int = 0
    estimates: tuple[EstimateOrder, ...] = ()

    @property
    def best_estimate(self) -> EstimateOrder | None:
        """The estimate to trust: the highest tau of those that estimated all policies and rest on
        :data:`~llmrec_env.evaluation.ope.evaluation.FEW` effective episodes; None where none does.

        It is named after the truth was seen, so its tau is the most that one may hope for.
        """
        sound = [
            own
            for own in self.estimates
            if own.tau is not None
            and own.estimated == self.policies
            and (own.effective is None or own.effective >= FEW)
        ]

        def order(own: EstimateOrder) -> tuple[float | None, float]:
            return own.tau, -1.0 if own.tau_better is None else own.tau_better

        return max(sound, key=order, default=None)
