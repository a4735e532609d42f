"""Makes a simulator's card from a log with its split."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from llmrec_env.common.errors import SettingError
from llmrec_env.data.feedback import FeedbackScale
from llmrec_env.data.source import Source
from llmrec_env.evaluation.fidelity import FidelityCard, fidelity_card
from llmrec_env.evaluation.fidelity.panel import PanelOrder
from llmrec_env.experiments.card.baselines import USUAL, fit_baselines
from llmrec_env.experiments.card.other import OtherLog
from llmrec_env.experiments.policy_ranking.worlds import known_users
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.rated import RatedUser
from llmrec_env.users.true_taste import TrueTasteUser


def make_card(
    simulator: UserSimulator,
    source: Source,
    seed: int = 0,
    baselines: Sequence[str] = USUAL,
    budget: float = 1.0,
    other: OtherLog | None = None,
    panel: PanelOrder | None = None,
) -> FidelityCard:
    """Judge a simulator by the test users of a log, beside baselines.

    Args:
        simulator: whom to judge.
        source: the log, its split, and the truth behind it where there is one.
        seed: of every draw.
        baselines: what stands beside it and popularity
            (:data:`~llmrec_env.experiments.card.baselines.BASELINES`).
        budget: factor on the training lengths of baselines that learn by steps.
        other: another recommender's log, on which it is asked again.
        panel: how policies were ordered
            (:func:`~llmrec_env.experiments.card.panel.panel_order`).

    Raises:
        SettingError: there is no such baseline.
        MissingExtraError: baselines are asked for and the extra ``bench`` is not installed.
        SimulatorError: it learned from the test users.
    """
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit_baselines(baselines, source, seed, Path(folder), budget)
        train, _, test = source.split
        users = None if other is None else other.users
        card = fidelity_card(simulator, train, test, seed, truth_of(source), fitted, users)
    known = {} if other is None else {"other_log": other.name}
    return replace(card, about={**card.about, **known}, policies=panel)


def truth_of(source: Source) -> UserSimulator | None:
    """The true users behind a log: of a world, or who rated everything; None if unknown."""
    if source.world is not None:
        return TrueTasteUser(source.world)
    try:
        users = known_users(source, source.split.test)
    except SettingError:
        return None
    return RatedUser(users, users, FeedbackScale.of(source.split.train))
