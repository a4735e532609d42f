"""How far a person and the simulated user agree, and when too little is known to say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llmrec_env.common.errors import DataError
from llmrec_env.evaluation.person_agreement import Answers, person_agreement

pytestmark = pytest.mark.core


def drawn(n: int, seed: int = 0) -> Answers:
    """A person who takes and likes as the simulated user says."""
    rng = np.random.default_rng(seed)
    chance = rng.random(n)
    taken = rng.random(n) < chance
    stars = np.ceil(5 * chance).clip(1, 5)
    return Answers(taken, stars, chance, chance, rng.random(n) < chance)


def test_a_person_as_the_simulator_says_agrees_with_it() -> None:
    found = person_agreement(drawn(400))
    assert found.auc is not None
    assert found.spearman is not None
    assert found.agreed is not None
    assert found.brier is not None
    assert found.brier_of_rate is not None
    assert found.by_chance is not None
    assert found.auc.low > 0.75
    assert found.spearman.low > 0.9
    assert found.agreed.low > found.by_chance
    assert found.brier < found.brier_of_rate
    assert found.brier == pytest.approx(1 / 6, abs=0.03)  # the mean of p (1 - p), p uniform


def test_a_person_of_another_mind_agrees_by_chance_alone() -> None:
    said, person = drawn(400), drawn(400, seed=1)
    found = person_agreement(replace(said, taken=person.taken, liking=person.liking))
    assert found.auc is not None
    assert found.spearman is not None
    assert found.agreed is not None
    assert found.by_chance is not None
    assert found.auc.low < 0.5 < found.auc.high
    assert found.spearman.low < 0.0 < found.spearman.high
    assert found.agreed.low < found.by_chance < found.agreed.high


def test_too_few_answers_say_nothing() -> None:
    nothing = person_agreement(drawn(0))
    assert (nothing.answers, nothing.agreed, nothing.auc) == (0, None, None)
    few = person_agreement(drawn(9))
    assert few.agreed is not None
    assert (few.brier, few.spearman) == (None, None)
    many = drawn(30)
    never = person_agreement(replace(many, taken=np.zeros(30, dtype=np.bool_)))
    assert never.auc is None
    assert never.brier is not None
    alike = person_agreement(replace(many, liking=np.full(30, 3.0)))
    assert alike.spearman is None


def test_answers_belong_together() -> None:
    with pytest.raises(DataError, match="of one length"):
        replace(drawn(5), chance=np.zeros(4))
