"""Makes the fidelity card of a simulator."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import SimulatorError
from llmrec_env.data.catalogue import check_same_catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.fidelity.acceptance import (
    acceptance_measures,
    acceptance_wins,
    mean_over_users,
)
from llmrec_env.evaluation.fidelity.behaviour import behaviour
from llmrec_env.evaluation.fidelity.calibration import Reliability, reliability
from llmrec_env.evaluation.fidelity.card import POPULARITY, SIMULATOR, FidelityCard
from llmrec_env.evaluation.fidelity.gains import gains_over_greedy
from llmrec_env.evaluation.fidelity.liking import LaterRatings
from llmrec_env.evaluation.fidelity.moments import (
    POPULAR,
    UNIFORM,
    Baseline,
    Moments,
    PopularityBaseline,
)
from llmrec_env.evaluation.fidelity.other_log import TRUE_USERS, kept_accuracy
from llmrec_env.evaluation.fidelity.outcomes import LEFT, SHOWN, TRUTH, outcomes, true_outcomes
from llmrec_env.evaluation.fidelity.truth import truth_agreement
from llmrec_env.evaluation.intervals import Interval
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.language import LanguageUser
from llmrec_env.users.true_taste import TrueTasteUser


def fidelity_card(
    simulator: UserSimulator,
    train: InteractionLog,
    held_out: InteractionLog,
    seed: int = 0,
    truth: UserSimulator | None = None,
    baselines: Mapping[str, Baseline] = MappingProxyType({}),
    other: InteractionLog | None = None,
) -> FidelityCard:
    """Judge a simulator by users from whom it never learned.

    Args:
        simulator: whom to judge.
        train: the users from whom it learned; what popularity counts.
        held_out: other users, or later interactions (``first_target``).
        seed: of every draw.
        truth: true users, such as those of a generated world, or of people who rated everything;
            asked about the held-out users whom they know.
        baselines: what else to ask, by name, beside popularity; fitted on ``train``.
        other: held-out users of another recommender's log over the same items; none of whom the
            simulator learned from
            (:func:`~llmrec_env.evaluation.counterfactual.strangers_of`).

    Raises:
        SimulatorError: it learned from the users that would judge it.
        DataError: no held-out user took an item after another one, or the other log is of other
            items.
    """
    _check_held_out(simulator, train, held_out)
    if other is not None:
        check_same_catalogue(train.catalogue, other.catalogue, "the other log")
    moments = Moments.of(train, held_out, seed)
    asked = {POPULARITY: PopularityBaseline(train), **baselines}
    scores = _scores(moments, simulator, asked)
    chances = scores[SIMULATOR]
    later = LaterRatings.of(held_out, seed)
    likings = {} if later is None else _likings(later, simulator, asked)
    calibration: dict[str, Reliability] = {}
    for against in (SHOWN, LEFT, POPULAR, UNIFORM):
        found = outcomes(moments, chances, against)
        if found is not None:
            calibration[against] = reliability(found, against, train, seed)
    true: dict[str, dict[str, Interval]] = {}
    true_chances: dict[str, FloatArray] = {}
    if truth is not None:
        true = _truth(simulator, truth, train, held_out, seed)
    if isinstance(truth, TrueTasteUser):
        true_chances = {TRUE_USERS: moments.asked(truth)}
        known = true_outcomes(moments, chances, true_chances[TRUE_USERS])
        calibration[TRUTH] = reliability(known, TRUTH, train, seed)
    kept: dict[str, dict[str, Interval]] = {}
    if other is not None:
        theirs = Moments.of(train, other, seed)
        answers = _scores(theirs, simulator, asked)
        if isinstance(truth, TrueTasteUser):
            answers[TRUE_USERS] = theirs.asked(truth)
        kept = kept_accuracy((moments, {**scores, **true_chances}), (theirs, answers), seed)
    return FidelityCard(
        about=_about(simulator, train, moments, seed),
        acceptance={who: acceptance_measures(moments, own, seed) for who, own in scores.items()},
        liking={}
        if later is None
        else {who: later.measures(own, seed) for who, own in likings.items()},
        differences=_differences(moments, scores, later, likings, seed),
        calibration=calibration,
        behaviour=behaviour(simulator, train, held_out, seed),
        truth=true,
        counterfactual=kept,
        gains=gains_over_greedy(simulator, held_out, truth, seed=seed),
    )


def _scores(
    moments: Moments, simulator: UserSimulator, asked: Mapping[str, Baseline]
) -> dict[str, FloatArray]:
    """What everybody says of the candidates: the simulator's chances first."""
    found = {SIMULATOR: moments.asked(simulator)}
    return found | {name: moments.scored(own) for name, own in asked.items() if own.takes}


def _check_held_out(
    simulator: UserSimulator, train: InteractionLog, held_out: InteractionLog
) -> None:
    """Refuse to judge a simulator by those from whom it learned."""
    record = simulator.model.record if isinstance(simulator, LanguageUser) else {}
    learned = record.get("learning", {}).get("training_users")
    from_others = learned not in (None, train.users_fingerprint)  # and so perhaps from these
    shared = set(train.user_ids) & set(held_out.user_ids)
    later = bool((held_out.first_target > 1).all())
    if from_others or (shared and not later):
        raise SimulatorError(
            "the simulated users learned from the users that would judge them, or may have: give "
            "the training and the test users of the split with which the simulator was learned "
            "(split_by_user(log, seed))"
        )


def _about(
    simulator: UserSimulator, train: InteractionLog, moments: Moments, seed: int
) -> dict[str, Any]:
    model = simulator.model if isinstance(simulator, LanguageUser) else None
    return {
        "simulator": type(simulator).__name__,
        "fingerprint": None if model is None else model.fingerprint,
        "language_model": getattr(simulator, "asks_language_model", None),
        "accept_rate": getattr(simulator, "accept_rate", None),
        "remember_skips": simulator.remember_skips,
        "leaving": simulator.tells_leaving,
        "items": train.n_items,
        "training_users": train.n_users,
        "held_out_users": moments.log.n_users,
        "judged_users": len(np.unique(moments.users)),
        "moments": len(moments),
        "seed": seed,
    }


def _likings(
    later: LaterRatings, simulator: UserSimulator, asked: Mapping[str, Baseline]
) -> dict[str, FloatArray]:
    found = {SIMULATOR: later.simulated(simulator)}
    return found | {name: later.scored(own) for name, own in asked.items() if own.likes}


def _differences(
    moments: Moments,
    scores: Mapping[str, FloatArray],
    later: LaterRatings | None,
    likings: Mapping[str, FloatArray],
    seed: int,
) -> dict[str, dict[str, Interval]]:
    """The simulator less each of the others, moment by moment and user by user."""
    found: dict[str, dict[str, Interval]] = {}
    own = acceptance_wins(moments, scores[SIMULATOR])
    for who, theirs in scores.items():
        if who != SIMULATOR:
            others = acceptance_wins(moments, theirs)
            found[who] = {
                name: mean_over_users(wins - others[name][0], owners, seed)
                for name, (wins, owners) in own.items()
            }
    for who, theirs in likings.items():
        if who != SIMULATOR:
            assert later is not None
            apart = later.agreements(likings[SIMULATOR]) - later.agreements(theirs)
            found.setdefault(who, {})["Spearman"] = mean_over_users(apart, later.users, seed)
    return found


def _truth(
    simulator: UserSimulator,
    truth: UserSimulator,
    train: InteractionLog,
    held_out: InteractionLog,
    seed: int,
) -> dict[str, dict[str, Interval]]:
    assert truth.users is not None
    known = set(truth.users.user_ids)
    rows = [row for row, name in enumerate(held_out.user_ids) if name in known]
    found = truth_agreement(simulator, truth, train, held_out.select_users(rows))
    users = np.arange(len(found.simulator))
    return {
        SIMULATOR: {"Spearman": mean_over_users(found.simulator, users, seed)},
        POPULARITY: {"Spearman": mean_over_users(found.popularity, users, seed)},
    }
