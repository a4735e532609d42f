"""The generated world: the same every time, with texts that help and a log worth learning from."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from llmrec_env.common.errors import DataError
from llmrec_env.common.files import fingerprint
from llmrec_env.data.world.generated import World, WorldParameters, generate_world
from llmrec_env.data.world.grammar import ATTRIBUTES, GENRES, MOODS, write_catalogue

pytestmark = pytest.mark.core

PRINT_FINGERPRINT = """
from llmrec_env.common.files import fingerprint
from llmrec_env.data.world.generated import generate_world
world = generate_world(seed=3, n_items=80, n_users=150)
times = world.log.feedback["time"].to_numpy()
print(fingerprint([*world.catalogue.sentences, world.log.items.tobytes(), times.tobytes()]))
"""


def world_fingerprint(world: World) -> str:
    times = world.log.feedback["time"].to_numpy()
    return fingerprint([*world.catalogue.sentences, world.log.items.tobytes(), times.tobytes()])


def test_another_process_generates_the_same_texts_and_log(world: World) -> None:
    command = [sys.executable, "-c", PRINT_FINGERPRINT]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert printed == world_fingerprint(world)


def test_another_seed_generates_another_world(world: World) -> None:
    other = generate_world(seed=4, n_items=80, n_users=150)
    assert world_fingerprint(other) != world_fingerprint(world)


def test_more_users_leave_the_items_as_they_are(world: World) -> None:
    larger = generate_world(seed=3, n_items=80, n_users=160)
    assert larger.catalogue.sentences == world.catalogue.sentences
    assert np.array_equal(larger.factors, world.factors)


def test_every_item_has_a_title_of_its_own_and_a_short_text(world: World) -> None:
    titles = world.catalogue.titles
    assert len(set(titles)) == len(titles)
    for column in world.catalogue.text_columns:
        assert all(text.strip() for text in world.catalogue.table[column])
    n_words = [len(sentence.split()) for sentence in world.catalogue.sentences]
    assert min(n_words) >= 20
    assert max(n_words) <= 50
    assert not any("{" in sentence for sentence in world.catalogue.sentences)


def test_titles_stay_unique_when_the_grammar_runs_out_of_them() -> None:
    alike = {name: np.zeros(300, dtype=np.int64) for name in (*ATTRIBUTES, "maker")}
    titles = write_catalogue(alike, np.random.default_rng(0)).titles
    assert len(set(titles)) == 300


def test_a_description_names_the_genre_by_a_synonym_and_leaves_other_things_out(
    world: World,
) -> None:
    def names(words: dict[str, tuple[str, ...]], attribute: str) -> list[bool]:
        values = [ATTRIBUTES[attribute][value] for value in world.attributes[attribute]]
        texts = world.catalogue.table["description"].str.to_lowercase()
        return [
            any(word in text for word in words[value])
            for value, text in zip(values, texts, strict=True)
        ]

    assert all(names(GENRES, "genre"))
    assert 0.5 < np.mean(names(MOODS, "mood")) < 1.0


def test_items_of_equal_attributes_still_differ_in_factors() -> None:
    world = generate_world(seed=0, n_items=800, n_users=2)
    pair = world.attributes["genre"] * len(ATTRIBUTES["mood"]) + world.attributes["mood"]
    likeness = (world.factors @ world.factors.T)[pair[:, None] == pair[None, :]]
    alike = likeness[likeness < 1 - 1e-9]
    assert 0.2 < alike.mean() < 0.9


def test_nobody_takes_an_item_twice_and_times_rise(world: World) -> None:
    times = world.log.feedback["time"].to_numpy()
    for user in range(world.log.n_users):
        items = world.log.sequence(user)
        assert len(set(items.tolist())) == len(items) >= 6
        assert (np.diff(times[world.log.offsets[user] : world.log.offsets[user + 1]]) > 0).all()


def test_a_user_who_has_met_the_whole_slate_still_takes_something_new() -> None:
    narrow = WorldParameters(slate_size=1, exposure_spread=3.0)
    log = generate_world(seed=0, n_items=12, n_users=40, parameters=narrow).log
    assert all(len(set(items.tolist())) == len(items) == 6 for items in log.sequences())


def test_the_log_is_popularity_biased_and_follows_taste() -> None:
    world = generate_world(seed=0, n_items=200, n_users=400)
    counts = world.log.item_counts()
    assert np.corrcoef(np.log(world.exposure), np.log1p(counts))[0, 1] > 0.6
    first = np.array([items[0] for items in world.log.sequences()])
    mind = world.model.begin(world.tastes)
    chosen = world.model.utility(mind, first)
    offered = (world.model.utilities(mind) * world.exposure / world.exposure.sum()).sum(axis=1)
    assert (chosen - offered).mean() > 0.5


def test_taking_an_item_draws_the_taste_to_it_and_sates(world: World) -> None:
    model = world.model
    mind = model.begin(world.tastes)
    items = np.arange(world.log.n_users) % len(world.catalogue)
    taken = model.take(mind, items)
    towards = (model.factors[items] * (taken.taste - mind.taste)).sum(axis=1)
    pull = model.parameters.drift_reach - (model.factors[items] * mind.taste).sum(axis=1)
    assert (np.sign(towards) == np.sign(pull)).all()
    unsated = replace(model, parameters=replace(model.parameters, satiation_weight=0.0))
    undrifted = replace(model, parameters=replace(model.parameters, drift_rate=0.0))
    assert (unsated.utility(taken, items) > unsated.utility(mind, items)).mean() > 0.9
    sated = undrifted.take(mind, items)
    assert (undrifted.utility(sated, items) < undrifted.utility(mind, items)).all()


def test_satiation_fades_while_the_taste_stays(world: World) -> None:
    model = world.model
    start = world.tastes[:1]
    soon = model.after(start, [np.array([0])])
    later = model.after(start, [np.array([0, 1, 2, 3, 4])])
    along = model.factors[0]
    others = model.after(start, [np.array([1, 2, 3, 4])])
    left = (later.satiation - others.satiation) @ along
    assert left[0] < 0.1 * (soon.satiation @ along)[0]
    kept = (later.taste - others.taste) @ along
    assert abs(kept[0]) > 0.5 * abs(((soon.taste - start) @ along)[0])


def test_an_estimated_taste_comes_nearer_with_more_history(world: World) -> None:
    def error(n_items: int) -> float:
        histories = [items[:n_items] for items in world.log.sequences()]
        return float(((world.estimate_tastes(histories) - world.tastes) ** 2).mean())

    nothing_known = float(((world.tastes - world.tastes.mean(axis=0)) ** 2).mean())
    assert error(6) < error(2) < nothing_known


@pytest.mark.parametrize(("n_items", "n_users"), [(11, 10), (80, 0)])
def test_a_world_too_small_is_refused(n_items: int, n_users: int) -> None:
    with pytest.raises(DataError, match=r"at least 12 items and 1 user"):
        generate_world(n_items=n_items, n_users=n_users)
