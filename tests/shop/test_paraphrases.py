"""Other words of the generated shop: distinct, and held out for validation and test goals."""

from __future__ import annotations

from itertools import combinations

import pytest

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.catalogue import ProductCatalogue
from llmrec_env.envs.shop.catalogue import departments as grammar
from llmrec_env.envs.shop.catalogue.phrases import PER_VALUE
from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.goals.paraphrased import phrases_of
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.words import spaced

SPLITS = ("train", "validation", "test")
TABLES = [values for _, values in grammar.OPTIONS.values()]
TABLES += [department.attributes for department in grammar.DEPARTMENTS]
PHRASES = [others for table in TABLES for others in table.values()]


def goals(catalogue: ProductCatalogue, split: str, **settings: object) -> list[Goal]:
    """Paraphrased goals of a split."""
    settings = {"goals_per_product": 3, **settings}
    return Shop(catalogue, "paraphrased", split=split, **settings).goals  # type: ignore[arg-type]


KNOWN = sorted({phrase for others in PHRASES for phrase in others}, key=len, reverse=True)


def said(goal: Goal) -> set[str]:
    """The phrases of an instruction, each once; none within another."""
    text, found = spaced(goal.instruction), set()
    for phrase in KNOWN:
        if spaced(phrase) in text:
            found.add(phrase)
            text = text.replace(spaced(phrase), " | ", 1)
    return found


def test_each_value_has_six_phrases_and_no_phrase_stands_for_two() -> None:
    assert all(len(others) == PER_VALUE for others in PHRASES)
    every = [phrase.lower() for others in PHRASES for phrase in others]
    assert len(every) == len(set(every))
    assert not any(mark in phrase for phrase in every for mark in ",.:;!?")


def test_no_phrase_names_a_value_that_could_be_meant() -> None:
    for department in grammar.DEPARTMENTS:
        for kind in department.kinds:
            tables = [grammar.OPTIONS[key][1] for key in kind.options] + [department.attributes]
            values = [spaced(value) for table in tables for value in table]
            for phrase in (p for table in tables for others in table.values() for p in others):
                assert not [value for value in values if value in spaced(phrase)], phrase


@pytest.mark.parametrize("seed", [0, 1])
def test_the_phrases_of_the_splits_are_disjoint_and_the_seeds(seed: int) -> None:
    for others in PHRASES:
        parts = {split: phrases_of(others, split, seed) for split in SPLITS}
        assert [len(parts[split]) for split in SPLITS] == [3, 1, 2]
        assert {phrase for own in parts.values() for phrase in own} == set(others)
    heldout = [[phrases_of(others, "test", s) for others in PHRASES] for s in (seed, seed, 7)]
    assert heldout[0] == heldout[1] != heldout[2]


@pytest.mark.parametrize("by", ["product", "goal"])
def test_a_test_instruction_has_no_phrase_that_training_has(
    by: str, small_catalogue: ProductCatalogue
) -> None:
    phrases, everything = {}, goals(small_catalogue, "all", split_by=by)
    for split in SPLITS:
        own = goals(small_catalogue, split, split_by=by)
        phrases[split] = set().union(*map(said, own))
        # a goal is the same whether its split or all goals were asked for
        assert {goal.instruction for goal in own} <= {goal.instruction for goal in everything}
    for one, other in combinations(SPLITS, 2):
        assert not phrases[one] & phrases[other]
    assert len(phrases["test"]) > 100


def test_an_instruction_says_each_wanted_thing_in_sentences(
    small_catalogue: ProductCatalogue,
) -> None:
    openings, shapes = set(), set()
    own = goals(small_catalogue, "test")
    for goal in own:
        assert len(said(goal)) == len(goal.attributes) + len(goal.options)
        assert goal.query in goal.instruction
        # after a colon plain instructions list their options
        assert ":" not in goal.instruction
        assert not set("{}") & set(goal.instruction)
        openings.add(" ".join(goal.instruction.split()[:3]))
        text = spaced(goal.instruction)
        for place, phrase in enumerate(said(goal)):
            text = text.replace(spaced(phrase), f" {place} ")
        shapes.add(text)
    assert len(openings) >= 8
    assert len(shapes) == len(own)


def test_paraphrased_goals_are_the_seeds(small_catalogue: ProductCatalogue) -> None:
    one, again = goals(small_catalogue, "test"), goals(small_catalogue, "test")
    assert one == again
    other = goals(small_catalogue, "test", goal_seed=1)
    assert {goal.instruction for goal in one}.isdisjoint(goal.instruction for goal in other)


def test_few_products_have_no_splits_but_instructions() -> None:
    assert said(Shop(1, "paraphrased", split="all", goals_per_product=1).goals[0])
    with pytest.raises(SettingError, match="too few"):
        Shop(1, "paraphrased", split="test", goals_per_product=1)
