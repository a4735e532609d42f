"""How a simulator predicts held-out steps, on users whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrec_env.data.splits import Split, split_by_user
from llmrec_env.data.world.generated import World, generate_world
from llmrec_env.evaluation.fidelity import (
    held_out_accuracy,
    popularity_accuracy,
    reward_accuracy,
    spearman,
    truth_agreement,
)
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def world() -> World:
    return generate_world(seed=3, n_items=60, n_users=80)


@pytest.fixture(scope="module")
def split(world: World) -> Split:
    return split_by_user(world.log, seed=0, fractions=(0.6, 0.2, 0.2))


def test_the_true_users_agree_with_the_truth_and_popularity_less(
    world: World, split: Split
) -> None:
    truth = TrueTasteUser(world, users=split.test)
    agreement = truth_agreement(_Named(truth), truth, split.train, split.test)
    np.testing.assert_allclose(agreement.simulator, 1.0, atol=1e-6)
    assert agreement.difference.low > 0
    assert agreement.popularity.mean() < 0.9


class _Named(TrueTasteUser):
    """True users who are told who they are also where only histories are given."""

    def __init__(self, truth: TrueTasteUser) -> None:
        self.__dict__.update(truth.__dict__)

    def score(self, histories, candidates):  # type: ignore[no-untyped-def]
        names = {history.tobytes(): row for row, history in enumerate(self.users.sequences())}
        starts = [
            next(r for key, r in names.items() if key.startswith(h.tobytes())) for h in histories
        ]
        session = self.open(histories, np.array(starts))
        return np.stack(
            [session.respond(candidates[:, c]).reward for c in range(candidates.shape[1])], axis=1
        )


def test_true_users_tell_taken_from_never_met_better_than_popularity(
    world: World, split: Split
) -> None:
    truth = TrueTasteUser(world)
    ours = reward_accuracy(truth, split.test)
    popular = popularity_accuracy(split.train, split.test)
    assert ours.popular > popular.popular
    assert ours.uniform > 0.6
    assert popular.uniform > popular.popular  # matched negatives take popularity's help away


def test_both_simulator_and_popularity_are_measured(world: World, split: Split) -> None:
    card = held_out_accuracy(TrueTasteUser(world), split.train, split.test)
    assert card.ranking["steps"] == card.popularity_ranking["steps"] > 0
    assert card.ranking["mask_seen"] is False
    assert card == held_out_accuracy(TrueTasteUser(world), split.train, split.test)


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=20, unique=True))
def test_spearman_knows_only_the_order(values: list[float]) -> None:
    x = np.array(values)
    assert spearman(x, np.argsort(np.argsort(x))) == pytest.approx(1.0)
    assert spearman(x, -x) == pytest.approx(-1.0)
