"""How near simulated users come to people: :func:`fidelity_card` and what it is made of."""

from llmrec_env.evaluation.fidelity.advice import advice
from llmrec_env.evaluation.fidelity.advised import Advice
from llmrec_env.evaluation.fidelity.calibration import Reliability
from llmrec_env.evaluation.fidelity.card import FidelityCard
from llmrec_env.evaluation.fidelity.gains import Gain, gains_over_greedy
from llmrec_env.evaluation.fidelity.held_out import (
    COLUMNS,
    DIFFERENCE,
    OURS,
    POPULAR,
    HeldOutAccuracy,
    PairwiseAccuracy,
    held_out_accuracy,
    popularity_accuracy,
    reward_accuracy,
    unseen_items,
)
from llmrec_env.evaluation.fidelity.measuring import fidelity_card
from llmrec_env.evaluation.fidelity.moments import Baseline
from llmrec_env.evaluation.fidelity.orders import area_under_curve, pair_wins, spearman
from llmrec_env.evaluation.fidelity.taking import taking_accuracy
from llmrec_env.evaluation.fidelity.truth import TruthAgreement, truth_agreement
from llmrec_env.evaluation.fidelity.wording import of_reward, of_taking

__all__ = [
    "COLUMNS",
    "DIFFERENCE",
    "OURS",
    "POPULAR",
    "Advice",
    "Baseline",
    "FidelityCard",
    "Gain",
    "HeldOutAccuracy",
    "PairwiseAccuracy",
    "Reliability",
    "TruthAgreement",
    "advice",
    "area_under_curve",
    "fidelity_card",
    "gains_over_greedy",
    "held_out_accuracy",
    "of_reward",
    "of_taking",
    "pair_wins",
    "popularity_accuracy",
    "reward_accuracy",
    "spearman",
    "taking_accuracy",
    "truth_agreement",
    "unseen_items",
]
