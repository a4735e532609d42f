"""The benchmark measures what it says, with small numbers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_the_benchmark_counts_steps_searches_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    import shop

    result = shop.measure(60, steps=640, repeats=2)
    assert (result["products"], result["source"]) == (60, "60")
    assert len(result["steps_per_s"]) == len(result["batched_steps_per_s"]) == 2
    assert min(result["steps_per_s"] + result["batched_steps_per_s"]) > 100
    assert len(result["search_ms"]) == 300
    assert result["memory_mb"] > 0
    assert shop.table([result]).row_count == 1
