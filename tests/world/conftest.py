"""One small world for all tests of this room."""

from __future__ import annotations

import pytest

from llmrec_env.data.world.generated import World, generate_world
from llmrec_env.users.true_taste import TrueTasteUser


@pytest.fixture(scope="session")
def world() -> World:
    """Eighty items, 150 users."""
    return generate_world(seed=3, n_items=80, n_users=150)


@pytest.fixture(scope="session")
def simulator(world: World) -> TrueTasteUser:
    """The true users of the small world."""
    return TrueTasteUser(world)
