"""Arrays that are handed out: whoever changes one changes no later answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import EvenUser

from llmrec_env.users.language import LanguageUser, embedded_user
from llmrec_env.users.states_from import StatesFrom
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core


def arrays_within(value: Any) -> Iterator[np.ndarray]:
    """All arrays of numbers in nested dicts and tuples."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple):
        for part in value:
            yield from arrays_within(part)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        yield value


def sessions_states(user: Any) -> list[np.ndarray]:
    """The states of a session at first, after an item was taken, and after a user came."""
    session = user.open([user.users.sequence(0)[:3], user.users.sequence(1)[:3]], np.array([0, 1]))
    first = session.states
    session.respond(np.array([7, 8]))
    taken = session.commit(np.array([True, False]))
    session.respond(np.array([9, 9]))
    skipped = session.commit(np.array([False, False]))
    came = session.replace(np.array([1]), [user.users.sequence(1)[:2]], np.array([1]))
    return [first, taken, skipped, came, session.states]


def log_arrays(user: LanguageUser) -> list[np.ndarray]:
    log = user.users
    assert log is not None
    some = log.select_users([1, 0]).keep(np.arange(len(log.select_users([1, 0]))) > 0)
    return [
        *(log.items, log.offsets, log.first_target, log.sequence(0), log.sequences()[1]),
        *(some.items, some.offsets, some.sequence(0)),
    ]


def labels(user: LanguageUser) -> list[np.ndarray]:
    assert user.users is not None
    found = user.label(user.users)
    return [found.states, found.rewards]


@pytest.mark.parametrize("shared", [log_arrays, labels, lambda user: [user.item_vectors]])
def test_what_users_answer_by_is_read_only(shared: Callable[[LanguageUser], Any]) -> None:
    for values in shared(embedded_user()):
        with pytest.raises(ValueError, match="read-only"):
            values *= 2


def test_states_of_sessions_are_read_only(even_user: EvenUser, true_user: TrueTasteUser) -> None:
    for user in (even_user, true_user, embedded_user(), StatesFrom(true_user, true_user)):
        for states in sessions_states(user):
            with pytest.raises(ValueError, match="read-only"):
                states *= 2


def test_a_worlds_truth_is_read_only(true_user: TrueTasteUser) -> None:
    world = true_user.world
    for values in (world.factors, world.quality, world.tastes, world.exposure, *map(
        world.attributes.__getitem__, world.attributes
    )):  # fmt: skip
        with pytest.raises(ValueError, match="read-only"):
            values += 1


NEXT_ITEM: list[dict[str, Any]] = [{"observation": o} for o in ("state", "history", "both")]
SHOP: list[dict[str, Any]] = [{"observation": "features", "action_mode": "index"}]
CASES = [("LLMRec/TrueTaste-v1", kwargs) for kwargs in NEXT_ITEM] + [
    ("LLMRec/NextItem-v1", NEXT_ITEM[0]),
    ("LLMRec/Shop-v0", SHOP[0]),
]


def episode(env: Any, actions: list[Any], spoil: bool) -> list[Any]:
    """What a fixed episode gives, copied at once; then everything may be written over."""
    given = [env.reset(seed=3)]
    kept = [[values.copy() for values in arrays_within(given[0])]]
    for action in actions:
        if spoil:
            for values in arrays_within(given[-1]):
                if values.flags.writeable:
                    values[...] = 0
        given.append(env.step(action))
        kept.append([values.copy() for values in arrays_within(given[-1])])
    return kept


@pytest.mark.parametrize(("name", "kwargs"), CASES)
@pytest.mark.parametrize("num_envs", [None, 2])
@pytest.mark.parametrize("autoreset", ["next_step", "same_step"])
def test_what_an_environment_gives_may_be_written_over(
    name: str, kwargs: dict[str, Any], num_envs: int | None, autoreset: str
) -> None:
    if "Shop" in name:
        pytest.importorskip("bm25s")  # of the extra "shop"

    def make() -> Any:
        if num_envs is None:
            return gym.make(name, **kwargs).unwrapped
        return gym.make_vec(
            name, num_envs=num_envs, autoreset=autoreset, max_episode_steps=2, **kwargs
        )

    actions: list[Any] = [1, 2, 0, 1] if num_envs is None else [np.array([1, 0])] * 5
    clean, spoilt = episode(make(), actions, False), episode(make(), actions, True)
    for ours, theirs in zip(clean, spoilt, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_observations_of_one_environment_are_writable() -> None:
    pytest.importorskip("bm25s")  # of the extra "shop"
    observation, _ = gym.make("LLMRec/Shop-v0", **SHOP[0]).reset(seed=0)
    assert all(values.flags.writeable for values in observation.values())
