"""The offline tables need neither d3rlpy nor torch."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from llmrec_env.common.errors import MissingExtraError

pytestmark = pytest.mark.core


def test_tables_load_neither_torch_nor_d3rlpy() -> None:
    code = (
        "import sys, llmrec_env.offline; "
        "sys.exit(bool({'torch', 'd3rlpy', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(importlib.util.find_spec("d3rlpy") is not None, reason="d3rlpy is installed")
def test_the_missing_extra_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"llmrec-env\[d3rlpy\]"):
        importlib.import_module("llmrec_env.offline.d3rlpy")
