"""The fidelity card, of simulators of whom is known how right they are."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import DataError, SimulatorError
from llmrec_env.common.logistic import sigmoid
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.skips import Skips
from llmrec_env.data.source import open_source
from llmrec_env.data.splits import Split, split_by_user
from llmrec_env.evaluation.fidelity import FidelityCard, Reliability, advice, fidelity_card
from llmrec_env.evaluation.fidelity.panel import EstimateOrder, PanelOrder
from llmrec_env.evaluation.intervals import Interval, bootstrap
from llmrec_env.users.base import Histories, HistoryUser, Response
from llmrec_env.users.language import embedded_user

pytestmark = pytest.mark.core
N_ITEMS, N_USERS, TAKES = 30, 240, 10
LOGITS = np.random.default_rng(5).normal(-1.5, 1.2, (N_ITEMS, N_ITEMS))


class Known(HistoryUser):
    """Takes an item with a known chance, which depends on the one taken last."""

    def __init__(self, log: InteractionLog, sharpness: float = 1.0) -> None:
        self.catalogue, self.users, self.state_size = log.catalogue, log, 1
        self._chances = sigmoid(sharpness * LOGITS).astype(np.float32)

    def encode(self, histories: Histories) -> FloatArray:
        return np.array([[own[-1] / N_ITEMS] for own in histories], dtype=np.float32)

    def answer(self, histories: Histories, actions: IntArray) -> Response:
        chances = self._chances[np.array([own[-1] for own in histories]), actions]
        return Response(chances, chances)


@pytest.fixture(scope="module")
def split() -> Split:
    """A log in which items were shown all alike, and taken by the known chances."""
    rng, chances = np.random.default_rng(0), sigmoid(LOGITS)
    taken, skipped = [], []
    for user in range(N_USERS):
        own = [int(rng.integers(N_ITEMS))]
        while len(own) < TAKES:
            item = int(rng.integers(N_ITEMS))
            if rng.random() < chances[own[-1], item]:
                own.append(item)
            else:
                skipped.append((user, item, len(own)))
        taken += own
    users, items, after = np.array(skipped).T
    categories = [f"kind {item % 3}" for item in range(N_ITEMS)]
    names = [str(item) for item in range(N_ITEMS)]
    log = InteractionLog(
        Catalogue(pl.DataFrame({"item_id": names, "title": names, "category": categories})),
        pl.Series([str(user) for user in range(N_USERS)]),
        np.arange(0, N_USERS * TAKES + 1, TAKES),
        np.array(taken),
        pl.DataFrame({"rating": LOGITS[np.roll(taken, 1), taken].astype(np.float32)}),
        skips=Skips.of(N_USERS, users, items, after),
    )
    return split_by_user(log, 0, (0.3, 0.1, 0.6))


@pytest.fixture(scope="module")
def right(split: Split) -> FidelityCard:
    known = Known(split.train)
    return fidelity_card(known, split.train, split.test, other=split.validation)


def a_panel(*estimates: EstimateOrder) -> PanelOrder:
    good = Interval(0.9, 0.8, 1.0)
    return PanelOrder(8, 50, good, good, Interval(0.0, 0.0, 0.01), "a", "a", 100, estimates)


def test_who_is_right_is_calibrated_and_who_is_not_is_told(
    split: Split, right: FidelityCard
) -> None:
    assert list(right.calibration) == ["shown", "left", "popular", "uniform"]
    assert right.judged_against == "shown"
    assert right.ece.mean < 0.03
    assert right.ece.mean < 2 * right.calibration["shown"].floor
    for chance, observed in zip(
        right.calibration["shown"].chance, right.calibration["shown"].observed, strict=True
    ):
        assert chance == pytest.approx(observed.mean, abs=0.1)
    sharp = fidelity_card(Known(split.train, 2.5), split.train, split.test)
    assert sharp.ece.low > 0.05
    assert any("ECE against shown" in found.figure for found in advice(sharp))
    assert not any("ECE against shown" in found.figure for found in advice(right))
    accuracy = "accuracy, uniform"
    assert sharp.acceptance["simulator"][accuracy] == right.acceptance["simulator"][accuracy]


def test_takes_alone_tell_calibration_up_to_the_level(split: Split) -> None:
    train, test = (replace(part, skips=None) for part in (split.train, split.test))
    right, sharp = (fidelity_card(Known(train, k), train, test) for k in (1.0, 2.5))
    assert list(right.calibration) == ["left", "popular", "uniform"]
    curve = right.calibration["uniform"]  # the log's items were shown all alike
    assert curve.ece.mean < 0.03
    assert curve.rate == pytest.approx(sigmoid(LOGITS).mean(), abs=0.03)
    assert sharp.calibration["uniform"].ece.low > 0.05
    assert any("not judged" in found.figure for found in advice(right))


def test_an_interval_of_the_calibration_error_holds_it(right: FidelityCard) -> None:
    for curve in right.calibration.values():  # resampled users have larger errors, nearly all
        for error in (curve.ece, *(group.ece for group in curve.groups)):
            assert 0 <= error.low <= error.mean <= error.high


def test_liking_may_be_believed_where_takes_may_not(right: FidelityCard) -> None:
    coin = {"accuracy, popular": Interval(0.5, 0.45, 0.55)}

    def told(**changed: Any) -> str:
        card = replace(right, acceptance={"simulator": coin}, differences={}, **changed)
        return next(
            own.sentence for own in advice(card) if "accuracy of taking, popular" in own.figure
        )

    follows, does_not = Interval(0.81, 0.7, 0.9), Interval(0.0, -0.1, 0.1)
    known = told(liking={"simulator": {"Spearman": follows}})
    assert 'reward_on="shown"' in known
    assert "do not train" not in known
    assert "do not train" in told(liking={"simulator": {"Spearman": does_not}})
    assert "do not train" in told(liking={}, truth={})
    by_truth = {"simulator": {"Spearman": follows}, "popularity": {"Spearman": does_not}}
    assert 'reward_on="shown"' in told(liking={}, truth=by_truth)


def test_groups_are_of_all_that_was_shown(right: FidelityCard) -> None:
    groups = {group.name.split()[0]: group for group in right.calibration["shown"].groups}
    assert {"rarer", "middle", "most"} <= set(groups)
    of_items = [groups[name] for name in ("rarer", "middle", "most")]
    of_histories = [group for name, group in groups.items() if name in ("cold", "histories")]
    assert sum(g.taken for g in of_items) == sum(g.taken for g in of_histories)
    assert groups["most"].chance > groups["rarer"].chance
    for group in of_items:
        assert group.chance == pytest.approx(group.observed.mean, abs=0.06)


def test_a_group_is_warned_of_where_it_is_off_whatever_was_shown(right: FidelityCard) -> None:
    shown = right.calibration["shown"]
    off = replace(shown, groups=(replace(shown.groups[0], name="those", chance=0.9),))
    fair = replace(shown, groups=(replace(shown.groups[0], name="those"),))

    def warned(**calibration: Reliability) -> bool:
        card = replace(right, calibration=calibration)
        return any("those" in found.figure for found in advice(card))

    assert warned(shown=off, popular=fair, uniform=fair)
    assert not warned(shown=fair, popular=off, uniform=off)
    assert not warned(popular=off, uniform=fair)  # it depends on what was shown, and nobody knows
    assert warned(popular=off, uniform=off)


def test_the_card_tells_what_the_simulator_knows(right: FidelityCard) -> None:
    own, popular = right.acceptance["simulator"], right.acceptance["popularity"]
    for kind in ("uniform", "popular", "same category"):
        assert own[f"accuracy, {kind}"].low > 0.6
        assert own[f"AUC, {kind}"].low > 0.6
        assert own[f"accuracy, {kind}"].mean > popular[f"accuracy, {kind}"].mean
    assert right.liking["simulator"].keys() == {"Spearman", "AUC"}
    apart = right.differences["popularity"]
    assert apart["accuracy, uniform"].low > 0
    assert apart["accuracy, uniform"].mean == pytest.approx(
        own["accuracy, uniform"].mean - popular["accuracy, uniform"].mean
    )
    assert right.behaviour is not None
    assert right.behaviour.logged.figures["items taken"].mean == TAKES - TAKES // 2
    assert 0 < right.behaviour.simulated.figures["changes of category"].mean < 1


def test_a_card_is_the_same_after_json_and_again(
    split: Split, right: FidelityCard, tmp_path: pytest.TempPathFactory
) -> None:
    assert FidelityCard.from_json(json.loads(json.dumps(right.to_json()))) == right
    again = fidelity_card(Known(split.train), split.train, split.test, other=split.validation)
    assert again == right
    old = {name: own for name, own in right.to_json().items() if name != "policies"}
    assert FidelityCard.from_json(old) == right  # cards of before there were panels
    panel = a_panel(EstimateOrder("DM", 0.4, None, None, 8))
    both = replace(right, policies=panel)
    assert FidelityCard.from_json(json.loads(json.dumps(both.to_json()))) == both
    right.save(tmp_path)  # type: ignore[arg-type]
    assert FidelityCard.load(tmp_path) == right  # type: ignore[arg-type]
    unknown = replace(right, truth={"simulator": {"Spearman": bootstrap(np.mean, 1, 0)}})
    again = FidelityCard.from_json(json.loads(json.dumps(unknown.to_json(), allow_nan=False)))
    assert again.truth["simulator"]["Spearman"].high == math.inf
    with pytest.raises(DataError, match="llmrec card"):
        FidelityCard.from_json({"format": 0})


def test_what_is_kept_on_another_log_is_its_share_of_the_accuracy(right: FidelityCard) -> None:
    for who in ("simulator", "popularity"):
        for kind in ("uniform", "popular", "same category"):
            own, other = (
                part[who][f"accuracy, {kind}"].mean
                for part in (right.acceptance, right.counterfactual)
            )
            assert right.counterfactual[who][f"kept, {kind}"].mean == pytest.approx(other / own)
    assert right.counterfactual["simulator"]["kept, uniform"].mean == pytest.approx(1.0, abs=0.1)
    lost = {"simulator": {"kept, popular": Interval(0.7, 0.65, 0.75)}}
    harder = {"true users": {"kept, popular": Interval(0.72, 0.7, 0.74)}}

    def warned(**kept: Any) -> bool:
        told = advice(replace(right, counterfactual=kept))
        return any("another recommender's log" in own.figure for own in told)

    assert warned(**lost)
    assert not warned(**lost, **harder)  # the question is harder for the true users too
    assert not any("another recommender" in own.figure for own in advice(right))


def test_the_estimate_to_trust_rests_on_more_than_a_handful_of_episodes(
    right: FidelityCard,
) -> None:
    lucky, sound = EstimateOrder("PDIS", 0.9, 0.9, 8.0, 8), EstimateOrder("DR", 0.7, 0.6, 80.0, 8)
    some = EstimateOrder("IS", 0.95, 0.95, 90.0, 7)
    assert a_panel(lucky, sound, some).best_estimate == sound
    assert a_panel(lucky).best_estimate is None

    def told(panel: PanelOrder) -> str:
        return " ".join(own.figure + own.sentence for own in advice(replace(right, policies=panel)))

    fair = a_panel(lucky, sound)
    assert "off-policy" not in told(fair)
    assert "none sound" in told(a_panel(lucky))
    bad = replace(
        fair, tau_better=Interval(0.2, 0.0, 0.4), regret=Interval(0.2, 0.1, 0.3), best="b"
    )
    assert "DR on a log of a policy that explores" in told(bad)
    assert "True users like b best" in told(bad)


def test_users_who_were_learned_from_are_no_judges(split: Split) -> None:
    with pytest.raises(SimulatorError, match="learned from the users that would judge"):
        fidelity_card(Known(split.train), split.train, split.train)
    world = open_source(None, 0)  # the embedded users learned from its training users
    with pytest.raises(SimulatorError, match="learned from the users that would judge"):
        fidelity_card(embedded_user(), world.split.test, world.split.train)


def test_the_bootstrap_is_over_users() -> None:
    values = np.random.default_rng(0).normal(2.0, 1.0, 400)
    found = bootstrap(lambda weights: float(weights @ values / weights.sum()), 400, 0)
    assert found.mean == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 / 20, rel=0.2)
