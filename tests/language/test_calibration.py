"""From reward to the probability of taking: the level is stated, the shape is learned."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llmrec_env.common.errors import SimulatorError
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.splits import Split
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.calibration import Acceptance, calibrate, logit, platt_slope
from llmrec_env.language.labelling import branch_log
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.language import LanguageUser

pytestmark = pytest.mark.core
scores = st.integers(0, 30).flatmap(
    lambda n: arrays(np.float32, n, elements=st.floats(-13, 13, width=32))
)


@pytest.mark.parametrize("rate", [0.03, 0.1, 0.5, 0.9])
def test_uniformly_shown_items_are_taken_at_the_stated_rate(
    rate: float, learned: LanguageEnvironment, split: Split
) -> None:
    user = LanguageUser(learned, accept_rate=rate)
    shown = np.random.default_rng(5).integers(0, 60, (len(split.test), 4))
    probability = user.accept_probability(branch_log(AnsweringLE(learned), split.test, shown)[0])
    assert probability.mean() == pytest.approx(rate, rel=0.15)


def test_what_is_liked_more_is_taken_more(learned: LanguageEnvironment) -> None:
    user = LanguageUser(learned)
    probability = user.accept_probability(np.linspace(0, 1, 50, dtype=np.float32))
    assert (np.diff(probability) >= 0).all()
    assert ((probability >= 0) & (probability <= 1)).all()
    assert probability.dtype == np.float32


def test_the_rate_can_be_changed_without_changing_the_original(
    learned: LanguageEnvironment,
) -> None:
    user = LanguageUser(learned, accept_rate=0.1)
    eager = user.with_accept_rate(0.6)
    liking = np.array([0.2, 0.5, 0.8], dtype=np.float32)
    assert (eager.accept_probability(liking) > user.accept_probability(liking)).all()
    assert (user.accept_rate, eager.accept_rate) == (0.1, 0.6)
    assert eager.model is user.model


def test_one_held_out_user_is_enough(learned: LanguageEnvironment, split: Split) -> None:
    acceptance = calibrate(copy.deepcopy(learned), split.validation.select_users([0]))
    assert np.isfinite(acceptance.slope)
    assert np.isfinite(acceptance.shown).all()


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_a_rate_that_is_no_probability_is_refused(
    rate: float, learned: LanguageEnvironment
) -> None:
    with pytest.raises(SimulatorError, match="accept_rate must lie between 0 and 1"):
        LanguageUser(learned, accept_rate=rate)


def test_an_le_without_calibration_does_not_answer(
    untrained: LanguageEnvironment, split: Split
) -> None:
    with pytest.raises(SimulatorError, match="no calibrated acceptance"):
        LanguageUser(untrained)
    acceptance = calibrate(untrained, split.validation)
    user = LanguageUser(untrained)
    assert acceptance.slope >= 0
    assert user.accept_rate == 0.1


def test_calibrating_twice_says_the_same(learned: LanguageEnvironment, split: Split) -> None:
    model = copy.copy(learned)
    model.record = {}
    assert calibrate(model, split.validation, seed=0) == calibrate(model, split.validation, seed=0)
    saved = learned.record["acceptance"]
    assert calibrate(model, split.validation, seed=0).slope == saved["slope"]


def test_a_tireless_user_does_not_decide_for_all(
    learned: LanguageEnvironment, split: Split
) -> None:
    own, rng = split.validation, np.random.default_rng(0)
    tireless = rng.integers(0, 60, 1500)  # takes at random, more than all others together
    both = InteractionLog.of_strangers(own.catalogue, [*own.sequences(), tireless])
    model = copy.copy(learned)
    model.record = {}
    slopes = [calibrate(model, log).slope for log in (own, both)]
    assert slopes[1] > 0.5 * slopes[0]


@given(taken=scores, others=scores)
def test_the_slope_is_finite_whatever_the_scores(taken: np.ndarray, others: np.ndarray) -> None:
    slope = platt_slope(taken, others)
    assert 0 <= slope < 1e4


def test_the_slope_is_the_one_that_made_the_answers() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=20_000).astype(np.float32)
    taken = rng.random(len(x)) < 1 / (1 + np.exp(-(1.7 * x - 0.4)))
    assert platt_slope(x[taken], x[~taken]) == pytest.approx(1.7, rel=0.05)
    assert platt_slope(x[~taken], x[taken]) == 0.0


@given(
    slope=st.floats(0, 20),
    shown=st.lists(st.floats(-13, 13), min_size=1, max_size=9),
    rate=st.floats(0.001, 0.999),
)
def test_the_offset_meets_any_rate(slope: float, shown: list[float], rate: float) -> None:
    offset = Acceptance(slope, tuple(shown)).offset(rate)
    z = slope * np.array(shown) + offset
    assert (1 / (1 + np.exp(-z))).mean() == pytest.approx(rate, abs=1e-6)


def test_logit_undoes_the_sigmoid_and_bears_the_ends() -> None:
    z = np.linspace(-8, 8, 9)
    assert logit((1 / (1 + np.exp(-z))).astype(np.float32)) == pytest.approx(z, abs=1e-2)
    assert np.isfinite(logit(np.array([0, 1], dtype=np.float32))).all()
