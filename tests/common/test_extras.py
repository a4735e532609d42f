"""What is missing is named with the command that brings it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from llmrec_env.common.errors import MissingExtraError
from llmrec_env.common.extras import ALONE, require

pytestmark = pytest.mark.core
ROOT = Path(__file__).resolve().parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_a_missing_extra_is_named_with_its_command() -> None:
    with pytest.raises(MissingExtraError, match=r'pip install "llmrec-env\[ann\]"$'):
        require("a_module_that_nobody_has", "ann")


@pytest.mark.parametrize("extra", ALONE)
def test_what_resolves_beside_nothing_is_sent_to_an_environment_of_its_own(extra: str) -> None:
    with pytest.raises(MissingExtraError, match=f"other_libraries/make_venv.py {extra}`"):
        require("a_module_that_nobody_has", extra)
    assert (ROOT / "examples" / "other_libraries" / f"{extra}.txt").exists()
    assert extra in EXTRAS


def test_every_extra_is_among_all_or_in_an_environment_of_its_own() -> None:
    together = set(EXTRAS["all"][0].partition("[")[2].rstrip("]").split(","))
    for_us = {"all", "dev", "docs", "browser"}  # who changes the package, not who uses it
    assert set(EXTRAS) - for_us - together == set(ALONE)
