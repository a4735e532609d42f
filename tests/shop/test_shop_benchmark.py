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


def test_sessions_of_text_are_timed_and_weighed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import text_sessions

    timed = [measure(60, 640, 2) for measure in (text_sessions.by_text, text_sessions.by_index)]
    assert all(len(row["steps_per_cpu_s"]) == len(row["steps_per_s"]) == 2 for row in timed)
    assert min(speed for row in timed for speed in row["steps_per_s"]) > 100
    held = [text_sessions.memory(60, kind, 3) for kind in ("loops", "tools")]
    assert [row["what"] for row in held] == ["TextLoops", "ShopTools"]
    assert all(10 < row["mb"] < 100_000 for row in held)
    text_sessions.show(timed + held)
    assert "64 sessions, by index" in capsys.readouterr().out
