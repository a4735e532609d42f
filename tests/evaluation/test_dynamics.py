"""What happens over a session: does it pay to look ahead, and where does it end?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llmrec_env.data.world import generate_world
from llmrec_env.evaluation.cool_down import CoolDownPolicy
from llmrec_env.evaluation.fidelity import FidelityCard, Gain, advice, gains_over_greedy
from llmrec_env.evaluation.fidelity.behaviour import behaviour
from llmrec_env.evaluation.fidelity.measuring import fidelity_card
from llmrec_env.evaluation.intervals import Interval
from llmrec_env.evaluation.policies import PreferencePolicy
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core


def users_of(**choices: object) -> TrueTasteUser:
    return TrueTasteUser(generate_world(0, 60, 60, **choices), accept_rate=0.3)


@pytest.fixture(scope="module")
def sated() -> TrueTasteUser:
    """Who wearies of more of the same."""
    return users_of(satiation=3.0, taste="stationary")


@pytest.fixture(scope="module")
def trusting() -> TrueTasteUser:
    """Who leaves when trust is lost."""
    return users_of(taste="trusting")


def test_a_cool_down_shows_nothing_like_what_was_just_taken(sated: TrueTasteUser) -> None:
    session = sated.open([sated.users.sequence(0)[:3]], np.array([0]))
    seen = {"state": session.states, "history": np.array([[sated.n_items, 4, 7]])}
    greedy = PreferencePolicy(sated).action_scores(session.states)
    same = CoolDownPolicy(sated, weight=0.0).action_scores(seen)
    assert np.array_equal(np.argsort(greedy), np.argsort(same))
    apart = greedy[0] - greedy[0].mean()
    cooled = CoolDownPolicy(sated, weight=5.0).action_scores(seen)[0] - apart / apart.std()
    vectors = sated.item_vectors
    assert cooled == pytest.approx(-5 * (vectors[[4, 7]] @ vectors.T).mean(axis=0), abs=1e-4)
    nothing = {**seen, "history": np.full((1, 3), sated.n_items)}
    fresh = CoolDownPolicy(sated, weight=5.0).action_scores(nothing)
    assert np.array_equal(np.argsort(greedy), np.argsort(fresh))


def test_a_simulator_that_is_right_agrees_with_the_truth_and_a_wrong_one_may_not(
    sated: TrueTasteUser,
) -> None:
    right = gains_over_greedy(sated, sated.users, sated, episodes=25)
    assert {own.partition(",")[0] for own in right} == {"cool-down", "more of the same"}
    for gain in right.values():
        assert gain.agrees
        assert gain.simulated == gain.true
        assert gain.greedy == gain.true_greedy
    alone = gains_over_greedy(sated, sated.users, episodes=25)
    for name, gain in alone.items():
        assert gain.simulated == right[name].simulated
        assert gain.agrees is None
        assert not gain.contradicts
    up, down = Interval(1.0, 0.5, 1.5), Interval(-1.0, -1.5, -0.5)
    assert Gain(9.0, up, 9.0, down).contradicts
    assert not Gain(9.0, up, 9.0, Interval(-1.0, -3.0, 1.0)).contradicts
    assert Gain(9.0, up, 9.0, down).agrees is False


def test_a_card_has_gains_and_ends_of_sessions_and_says_what_to_do(trusting: TrueTasteUser) -> None:
    log = trusting.users
    learned, held_out = log.select_users(range(20)), log.select_users(range(20, 60))
    card = fidelity_card(trusting, learned, held_out, truth=trusting)
    assert FidelityCard.from_json(card.to_json()) == card
    assert card.behaviour is not None
    ends = card.behaviour.ends
    assert ends is not None
    assert ends.told == "column"
    assert 0.01 < ends.logged.mean < 0.3
    assert 0 <= ends.simulated.mean < 0.3
    assert len(ends.logged_by_place) > 1
    assert "return to an earlier category" in card.behaviour.logged.figures
    assert all(gain.agrees for gain in card.gains.values())
    wrong = {"cool": Gain(9.0, Interval(1.0, 0.5, 1.5), 9.0, Interval(-1.0, -1.5, -0.5))}
    told = advice(replace(card, gains=wrong))
    assert any("not to plan within a session" in one.sentence for one in told)
    old = {name: value for name, value in card.to_json().items() if name != "gains"}
    old["behaviour"] = {name: own for name, own in old["behaviour"].items() if name != "ends"}
    assert FidelityCard.from_json(old).gains == {}


def test_who_does_not_know_when_users_leave_has_no_ends_of_sessions(sated: TrueTasteUser) -> None:
    found = behaviour(sated, sated.users, sated.users, 0)
    assert found is not None
    assert found.ends is None
