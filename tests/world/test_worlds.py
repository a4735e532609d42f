"""Worlds that differ: in tastes, in who recommended, and in what the log tells of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmrec_env.common.errors import SettingError, SimulatorError
from llmrec_env.common.files import fingerprint
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.source import open_source
from llmrec_env.data.splits import split_by_user, split_last_out
from llmrec_env.data.world import WORLDS, LoggingParameters, World, generate_world, named_world
from llmrec_env.data.world.logging_policy import GoodRecommender, draw_slates, propensities
from llmrec_env.envs.next_item.simulators import resolve_simulator
from llmrec_env.evaluation.beyond_accuracy import gini
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core
SIZE = (3, 80, 150)


@pytest.fixture(scope="module")
def worlds() -> dict[str, World]:
    return {name: named_world(name, *SIZE) for name in WORLDS}


def turned(world: World) -> np.ndarray[Any, Any]:
    """Cosine of each user's last taste with the first."""
    last = world.model.after(world.tastes, world.log.sequences()).taste
    lengths = [np.linalg.norm(taste, axis=1) for taste in (last, world.tastes)]
    return (last * world.tastes).sum(axis=1) / (lengths[0] * lengths[1])


def likings(world: World) -> float:
    """Mean liking of what is taken, at the moment when it is."""
    user = TrueTasteUser(world)
    return float(np.nanmean(user.label(world.log).rewards))


def closeness(world: World) -> float:
    """Mean cosine of an item taken with the one before it."""
    factors, goes_on = world.factors[world.log.items], world.log.row_goes_on[:-1]
    return float((factors[1:] * factors[:-1]).sum(axis=1)[goes_on].mean())


def test_the_usual_world_is_what_it_was(world: World) -> None:
    assert fingerprint([world.log.items.tobytes(), *world.catalogue.ids]) == "f5ec4ada43dfc769"
    assert np.array_equal(named_world("popularity", *SIZE).log.items, world.log.items)
    assert not TrueTasteUser(world).remember_skips


def test_worlds_of_one_seed_share_items_texts_and_first_tastes(worlds: dict[str, World]) -> None:
    for other in worlds.values():
        assert other.catalogue.sentences == worlds["popularity"].catalogue.sentences
        assert np.array_equal(other.factors, worlds["popularity"].factors)
        assert np.array_equal(other.tastes, worlds["popularity"].tastes)
        assert list(other.log.user_ids) == list(worlds["popularity"].log.user_ids)


def test_each_world_differs_in_what_it_says(worlds: dict[str, World]) -> None:
    usual = worlds["popularity"]
    spread = {name: gini(world.log.item_counts()) for name, world in worlds.items()}
    assert spread["uniform"] < spread["popularity"] - 0.05
    assert likings(worlds["recommender"]) > likings(usual) + 0.02
    assert turned(worlds["stationary"]) == pytest.approx(1.0)
    assert turned(worlds["drifting"]).mean() < turned(usual).mean() - 0.2
    assert worlds["trust"].log.lengths.mean() < usual.log.lengths.mean() - 1
    assert closeness(worlds["sated"]) < closeness(usual) - 0.02
    assert likings(worlds["noisy"]) < likings(usual) - 0.05


@pytest.mark.parametrize("rows", [1, 3])
def test_propensities_are_how_often_an_item_is_shown(rows: int) -> None:
    rng, size = np.random.default_rng(rows), 4
    weights = rng.random(6) if rows == 1 else rng.random((rows, 6))
    seen = np.zeros((rows, 6), dtype=bool)
    seen[:, [0, 1, 2]] = True
    shares = np.broadcast_to(weights, seen.shape)
    shown = np.zeros((rows, 6))
    for _ in range(3000):
        slates = draw_slates(weights, rows, size, rng)
        for row, slate in enumerate(slates):
            offered = set(slate.tolist())
            if offered <= {0, 1, 2}:
                offered.add(int(np.where(seen[row], -1, shares[row]).argmax()))
            shown[row, list(offered)] += 1 / 3000
    for item in (3, 4, 5):
        told = propensities(weights, np.full(rows, item), seen, size)
        assert told == pytest.approx(shown[:, item], abs=0.035)


def test_a_good_recommender_offers_unseen_items_that_its_users_like(world: World) -> None:
    policy = GoodRecommender(world.model, 150, LoggingParameters("recommender"))
    users, seen = np.arange(150), np.zeros((150, 80), dtype=bool)
    for items in np.array([own[:5] for own in world.log.sequences()]).T:
        policy.learn(users, items)
        seen[users, items] = True
    weights = policy.weights(users, seen)
    assert weights.sum(axis=1) == pytest.approx(1.0)
    assert (weights[seen] == 0).all()
    assert (weights[~seen] > 0).all()
    mind = world.model.begin(world.tastes)
    utility = world.model.utilities(mind)
    assert ((weights * utility).sum(axis=1) - utility.mean(axis=1)).mean() > 0.3


def test_a_uniform_log_shows_all_items_alike(worlds: dict[str, World]) -> None:
    told = worlds["uniform"].log.feedback["propensity"].to_numpy()
    assert np.median(told) == pytest.approx(1 - (1 - 1 / 80) ** 25, abs=1e-6)
    assert (told >= np.float32(1 - (1 - 1 / 80) ** 25)).all()
    popular = worlds["popularity"].log.feedback["propensity"].to_numpy()
    assert popular.std() > 0.1


def test_propensities_survive_saving_and_splitting(
    worlds: dict[str, World], tmp_path: Path
) -> None:
    log = worlds["recommender"].log
    log.save(tmp_path / "log.parquet")
    again = InteractionLog.load(tmp_path / "log.parquet", log.catalogue)
    assert again.feedback["propensity"].equals(log.feedback["propensity"])
    train = split_by_user(again, seed=1).train
    first = log.user_index(train.user_ids[7])
    own = log.feedback["propensity"][log.offsets[first] : log.offsets[first + 1]]
    place = train.offsets[7]
    assert train.feedback["propensity"][place : place + len(own)].equals(own)
    assert "propensity" in split_last_out(again).train.feedback.columns


def test_a_log_may_keep_what_was_shown_and_left(world: World) -> None:
    keeping = generate_world(*SIZE, logging=LoggingParameters("popularity", kept_skips=3))
    assert np.array_equal(keeping.log.items, world.log.items)
    assert world.log.skips is None
    assert keeping.log.skips is not None
    assert 2.5 * len(world.log) < len(keeping.log.skips) <= 3 * len(world.log)
    for user in range(20):
        items, after = keeping.log.skips_of(user)
        for item, place in zip(items, after, strict=True):
            assert item not in keeping.log.sequence(user)[: place + 1]


def test_trust_falls_with_bad_recommendations_and_comes_back_with_good_ones(
    worlds: dict[str, World],
) -> None:
    users = TrueTasteUser(worlds["trust"])
    histories, everybody = [items[:4] for items in users.users.sequences()], np.arange(150)
    session = users.open(histories, everybody)
    ranked = users.preferences(session.states).argsort(axis=1)
    nobody, probe = np.zeros(150, dtype=bool), np.zeros(150, dtype=np.int64)
    before = session.respond(probe)
    for place in range(8):
        session.respond(ranked[:, place])
        session.commit(nobody)
    bad = session.respond(probe)
    for place in range(8):
        session.respond(ranked[:, -1 - place])
        session.commit(nobody)
    good = session.respond(probe)
    assert np.array_equal(before.reward, bad.reward)
    assert (bad.accept_probability < 0.6 * before.accept_probability).mean() > 0.9
    assert (good.accept_probability > bad.accept_probability).mean() > 0.95


def test_a_session_follows_the_world_step_by_step(worlds: dict[str, World]) -> None:
    world, rng = worlds["trust"], np.random.default_rng(0)
    users = TrueTasteUser(world)
    histories, rows = [items[:4] for items in world.log.sequences()[:30]], np.arange(30)
    session, mind = users.open(histories, rows), users.minds(histories, rows)
    for _ in range(6):
        items, accepted = rng.integers(80, size=30), rng.random(30) < 0.5
        left = ~accepted & (rng.random(30) < 0.5)
        session.respond(items)
        session.commit(accepted, left)
        mind.put(rows[accepted], world.model.take(mind.rows(rows[accepted]), items[accepted]))
        mind.put(rows[left], world.model.show(mind.rows(rows[left]), items[left]))
    utility = world.model.utilities(mind)
    assert np.allclose(users.preferences(session.states), utility, atol=1e-4)
    logit = np.log(1 / session.respond(items).accept_probability - 1)
    willing = world.model.willingness(mind, utility)[rows, items]
    assert np.ptp(logit + world.parameters.accept_sharpness * willing) < 1e-3


def test_a_drifting_world_is_followed_exactly(worlds: dict[str, World]) -> None:
    world = worlds["drifting"]
    users = TrueTasteUser(world)
    histories, rows = [items[:6] for items in world.log.sequences()], np.arange(150)
    session = users.open([history[:3] for history in histories], rows)
    for place in range(3, 6):
        session.respond(np.array([history[place] for history in histories]))
        session.commit(np.ones(150, dtype=bool))
    assert np.array_equal(session.states, users.open(histories, rows).states)


def test_worlds_are_opened_by_name_where_data_and_users_are(worlds: dict[str, World]) -> None:
    source = open_source("world:trust", 0, (80, 150))
    assert source.name == "the generated world trust"
    assert source.world is not None
    assert source.world.parameters == worlds["trust"].parameters
    assert resolve_simulator("true-taste:uniform").world.parameters.logging.policy == "uniform"  # type: ignore[attr-defined]
    with pytest.raises(SettingError, match="no world 'nowhere': expected one of popularity"):
        open_source("world:nowhere", 0)
    with pytest.raises(SettingError, match="no world 'nowhere'"):
        resolve_simulator("true-taste:nowhere")


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"taste": "sour"}, "taste must be TasteParameters or one of drawn, stationary"),
        ({"logging": "nobody"}, "popularity"),
        ({"noise": 0.0}, "noise is a factor above 0"),
        ({"satiation": -1.0}, "satiation_weight must be 0 or more"),
    ],
)
def test_a_choice_that_is_none_is_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        generate_world(*SIZE, **choices)


def test_users_who_trust_cannot_forget_what_they_skipped(worlds: dict[str, World]) -> None:
    with pytest.raises(SimulatorError, match="cannot"):
        TrueTasteUser(worlds["trust"]).with_remember_skips(False)
