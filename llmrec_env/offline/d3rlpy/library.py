"""Imports d3rlpy, silences its log output and seeds its random generators."""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Iterator

import numpy as np
import torch

from llmrec_env.common.extras import require

d3rlpy = require("d3rlpy", "d3rlpy")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence all of d3rlpy's log but errors, in this block only."""
    structlog = require("structlog", "d3rlpy")
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(**before)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators that d3rlpy draws from, and put them back."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        d3rlpy.seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
