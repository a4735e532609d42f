"""Small users for the environments' tests: one of known answers, one true to a world."""

from __future__ import annotations

import pytest
from even_user import SEQUENCES, EvenUser, make_log

from llmrec_env.data.world.generated import generate_world
from llmrec_env.users.true_taste import TrueTasteUser


@pytest.fixture
def even_user() -> EvenUser:
    """Two users who can start an episode, over twelve items."""
    return EvenUser(make_log(SEQUENCES))


@pytest.fixture(scope="session")
def true_user() -> TrueTasteUser:
    """The true users of a small world."""
    return TrueTasteUser(generate_world(seed=1, n_items=60, n_users=40), accept_rate=0.3)
