"""Fixtures of the offline tests."""

from __future__ import annotations

import pytest
from offline_users import Fan, make_log

from llmrec_env.data import InteractionLog


@pytest.fixture
def log() -> InteractionLog:
    """Four users, one of them with a single interaction."""
    return make_log([[0, 1, 2, 3, 2], [5, 6], [9], [11, 0, 10, 1]])


@pytest.fixture
def fan(log: InteractionLog) -> Fan:
    return Fan(log)
