"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny tensors: more threads only wait for each other

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public datasets that stands beside the checkout."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("../shared/data is absent: no public datasets to read")
    return folder


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The folder of small pretrained checkpoints that stands beside the checkout."""
    folder = SHARED / "models"
    if not folder.is_dir():
        pytest.skip("../shared/models is absent: no pretrained checkpoint to read")
    return folder
