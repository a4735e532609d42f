"""Users who leave by a chance of their own, and not by patience alone."""

from __future__ import annotations

from typing import Literal

import gymnasium as gym
import numpy as np
import pytest
from even_user import SEQUENCES, EvenUser, make_log
from row_by_row import alone, together

import llmrec_env
from llmrec_env.common.arrays import Float64Array
from llmrec_env.common.errors import SettingError
from llmrec_env.data.sessions import Wanted
from llmrec_env.data.visits import Visits
from llmrec_env.users.base import Session
from llmrec_env.users.ensemble import UserEnsemble
from llmrec_env.users.states_from import StatesFrom

gym.register_envs(llmrec_env)
pytestmark = pytest.mark.core


class Leaver(EvenUser):
    """Leaves for sure once so many were taken in the session, or skipped, and never before."""

    def __init__(
        self, taken: int = 2, after: Literal["taken", "shown"] = "taken", told: Wanted = "none"
    ) -> None:
        super().__init__(make_log(SEQUENCES))
        self.taken, self.after, self.told_by = taken, after, told

    @property
    def tells_leaving(self) -> Literal["taken", "shown"] | None:
        return self.after

    @property
    def sessions(self) -> Wanted:
        return self.told_by

    def leave_chance(self, session: Session, visits: Visits) -> Float64Array:
        enough = (visits.taken >= self.taken) | (visits.skips >= 3)
        return enough.astype(np.float64)


def steps_until_gone(simulator: EvenUser, items: list[int], **settings: object) -> int:
    """How many items ann is shown until she leaves; one more than there are if she stays."""
    env = gym.make("LLMRec/NextItem-v1", simulator=simulator, **settings)
    env.reset(seed=0, options={"user_id": "ann"})
    for step, item in enumerate(items, start=1):
        if env.step(item)[2]:
            return step
    return len(items) + 1


def test_a_user_leaves_by_the_chance_that_the_simulator_says() -> None:
    assert steps_until_gone(Leaver(2), [4, 3, 6, 8], leaving="learned") == 3
    assert steps_until_gone(Leaver(2), [4, 3, 6, 8]) == 5  # patience alone counts
    odd = [3, 5, 7, 9]  # none is taken
    assert steps_until_gone(Leaver(2), odd, leaving="learned", patience=2) == 2
    after_all = Leaver(9, "shown")  # who says when skips end a session needs no patience
    assert steps_until_gone(after_all, odd, leaving="learned", patience=2) == 3
    seen = [0, 1, 2, 0]  # none is new to her; each counts as one that was left
    assert steps_until_gone(after_all, seen, leaving="learned", seen="pay_nothing") == 3
    slates = gym.make(
        "LLMRec/Slate-v0", simulator=after_all, leaving="learned", seen="pay_nothing", slate_size=2
    )
    slates.reset(seed=0, options={"user_id": "ann"})
    assert [slates.step([0, 1])[2] for _ in range(3)] == [False, False, True]
    with pytest.raises(SettingError, match="does not know when users leave"):
        steps_until_gone(EvenUser(make_log(SEQUENCES)), [], leaving="learned")
    with pytest.raises(SettingError, match="leaving must be"):
        steps_until_gone(Leaver(), [], leaving="soon")


def test_an_episode_goes_on_with_the_session_in_which_the_history_breaks_off() -> None:
    goes_on = Leaver(4)
    table = goes_on.users.to_table()
    named = table.with_columns(table["user_id"].alias("session"))
    log = type(goes_on.users).from_table(goes_on.catalogue, named)
    goes_on.users, goes_on.told_by = log, "column"
    assert steps_until_gone(goes_on, [4, 8], leaving="learned") == 1  # three were taken before
    assert steps_until_gone(Leaver(4), [4, 8], leaving="learned") == 3


def test_who_answers_says_when_users_leave() -> None:
    observed = StatesFrom(Leaver(2), EvenUser(make_log(SEQUENCES)))
    assert steps_until_gone(observed, [4, 6, 8], leaving="learned") == 2
    assert steps_until_gone(UserEnsemble([Leaver(2), Leaver(2)]), [4, 6, 8], leaving="learned") == 2
    assert UserEnsemble([Leaver(2), EvenUser(make_log(SEQUENCES))]).tells_leaving is None


class Undecided(Leaver):
    """Leaves with a chance that grows with what was taken and how it was liked."""

    def leave_chance(self, session: Session, visits: Visits) -> Float64Array:
        told = np.nan_to_num(visits.lately)
        return np.minimum(1.0, 0.2 * visits.taken + told)


@pytest.mark.parametrize("autoreset", ["next_step", "same_step"])
def test_rows_of_a_vector_environment_leave_as_single_environments_do(autoreset: str) -> None:
    actions = np.random.default_rng(1).integers(0, 12, (40, 3))
    envs = gym.make_vec(
        "LLMRec/NextItem-v1",
        num_envs=3,
        simulator=Undecided(),
        leaving="learned",
        autoreset=autoreset,
    )
    found, ended = together(envs, 5, actions), 0
    for row, steps in enumerate(found):
        env = gym.make("LLMRec/NextItem-v1", simulator=Undecided(), leaving="learned")
        wanted = alone(env.unwrapped, 5 + row, actions[:, row].tolist(), autoreset)
        for ours, theirs in zip(steps, wanted, strict=True):
            np.testing.assert_array_equal(ours[0], theirs[0])
            if len(theirs) > 2:
                assert ours[1:4] == tuple(theirs[1:4])
                ended += theirs[2]
    assert ended > 5
