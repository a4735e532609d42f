"""True users seen through another simulator's states."""

from __future__ import annotations

import numpy as np
import pytest

from llmrec_env.common.errors import SimulatorError
from llmrec_env.data.world.generated import generate_world
from llmrec_env.users.base import HistoryUser, Response
from llmrec_env.users.states_from import StatesFrom
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core


class LastItem(HistoryUser):
    """Sees which item was taken last."""

    def __init__(self, catalogue) -> None:  # type: ignore[no-untyped-def]
        self.catalogue = catalogue
        self.state_size = 2

    def encode(self, histories):  # type: ignore[no-untyped-def]
        last = np.array([history[-1] for history in histories]) / len(self.catalogue)
        return np.stack([last, 1 - last], axis=1).astype(np.float32)

    def answer(self, histories, actions):  # type: ignore[no-untyped-def]
        nothing = np.zeros(len(actions), dtype=np.float32)
        return Response(nothing, nothing)


def test_the_true_users_answer_and_the_observer_gives_the_states() -> None:
    world = generate_world(seed=2, n_items=40, n_users=30)
    truth = TrueTasteUser(world)
    seen = StatesFrom(truth, LastItem(world.catalogue))
    histories = [world.log.sequence(0)[:4], world.log.sequence(1)[:3]]
    users = np.array([0, 1])
    ours, theirs = seen.open(histories, users), truth.open(histories, users)
    for actions, accepted in (([5, 6], [True, False]), ([7, 8], [False, True])):
        shown, taken = np.array(actions), np.array(accepted)
        for a, b in zip(ours.respond(shown), theirs.respond(shown), strict=True):
            np.testing.assert_array_equal(a, b)
        ours.commit(taken)
        theirs.commit(taken)
    np.testing.assert_allclose(ours.states[:, 0], np.array([5, 8]) / 40)
    ours.replace(np.array([0]), [world.log.sequence(2)[:3]], np.array([2]))
    assert ours.states[0, 0] == np.float32(world.log.sequence(2)[2] / 40)


def test_two_catalogues_are_refused() -> None:
    small = generate_world(seed=2, n_items=40, n_users=30)
    large = generate_world(seed=2, n_items=50, n_users=30)
    with pytest.raises(SimulatorError, match="one catalogue"):
        StatesFrom(TrueTasteUser(small), TrueTasteUser(large))
