"""The programs that measure speed: they run, and what they compare with is no straw man."""

from __future__ import annotations

import importlib
import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from llmrec_env.users.language import EMBEDDED, embedded_user

pytest.importorskip("stable_baselines3")
pytest.importorskip("faiss")
BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
Run = Callable[..., str]


@pytest.fixture(scope="module")
def baselines() -> ModuleType:
    """The module of what the simulated user is held against."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return importlib.import_module("baselines")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a program as ``python benchmarks/NAME OPTIONS`` would; returns what it prints."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def run(program: str, *options: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", [program, *map(str, options)])
        runpy.run_path(str(BENCHMARKS / program), run_name="__main__")
        return capsys.readouterr().out

    return run


@torch.inference_mode()
def test_a_kept_prefix_answers_as_the_whole_prompt_does(baselines: ModuleType) -> None:
    bare = baselines.BareModel(EMBEDDED, embedded_user().model)
    prompts = baselines.TextPrompts(bare.causal_lm, bare.tokenizer, embedded_user().catalogue)
    assert len(prompts.instruction) == 60
    histories, shown = [[1, 2, 3], list(range(30)), [7]], [4, 5, 6]
    whole = prompts.answer(histories, shown)
    ask = prompts.open(histories)
    torch.testing.assert_close(ask(shown), whole, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ask(shown), whole, atol=1e-5, rtol=1e-4)  # and once more
    alone = prompts.answer([histories[2]], [6])
    torch.testing.assert_close(whole[2:], alone, atol=1e-5, rtol=1e-4)  # padding changes nothing


@torch.inference_mode()
def test_every_way_of_decoding_stays_around_the_cache_length(baselines: ModuleType) -> None:
    bare = baselines.BareModel(EMBEDDED, embedded_user().model)
    lengths: list[int] = []
    attend = torch.nn.functional.scaled_dot_product_attention

    def counted(query: torch.Tensor, key: torch.Tensor, *rest: object, **named: object) -> object:
        lengths.append(key.shape[2])
        return attend(query, key, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "scaled_dot_product_attention", counted)
        for way, decode in bare.decodes(rows=2, length=20, steps=8).items():
            decode()
            lengths.clear()
            for _ in range(17):
                decode()
            assert np.mean(lengths) == pytest.approx(20, abs=4 if way == "static cache" else 2)


@pytest.mark.slow
def test_the_simulators_ratios_are_printed_and_written(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "ratios.json"
    printed = run(
        "simulator.py", "--repeats", "2", "--only", "labelling", "candidates", "--out", out
    )
    ratios = {row["name"]: row for row in json.loads(out.read_text())["ratios"]}
    assert {"labelling ÷ raw forward", "scoring 100 candidates ÷ 100 passes"} < ratios.keys()
    for name, row in ratios.items():
        assert name[:20] in printed
        assert len(row["values"]) == 2
        assert row["median"] == pytest.approx(np.median(row["values"]))


@pytest.mark.slow
def test_sizes_are_measured_once_and_plotted(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    printed = run("scale.py", "--largest", "10000", "--out", out)
    rows = json.loads(out.read_text())
    assert [row["size"] for row in rows] == [[1000, 10_000], [10_000, 10_000], [10_000, 10_000]]
    assert all(row[name] > 0 for row in rows for name in ("load", "label", "step", "memory"))
    assert "exponent" in printed
    assert out.with_name("scale.png").stat().st_size > 10_000
    before = out.stat().st_mtime_ns
    run("scale.py", "--largest", "10000", "--out", out)
    assert out.stat().st_mtime_ns == before


def test_the_estimate_for_large_models_says_what_it_assumes(run: Run) -> None:
    printed = run("large_models.py")
    assert "Measured on one core" in printed
    assert "7B parameters, estimated" in printed


def test_the_softmax_is_held_against_cross_entropy(run: Run) -> None:
    small = ("--states", "8", "--items", "50", "--dim", "4", "--rounds", "2")
    lines = run("softmax.py", *small).splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == [
        *("cross-entropy", "ours, float32", "ours, bfloat16")
    ]


def test_lists_are_held_against_single_items(run: Run) -> None:
    lines = run("slates.py", "--sizes", "1", "2", "--episodes", "3").splitlines()
    assert [line.split(" | ")[:2] for line in lines if "±" in line] == [
        [f"| {users} users", size] for users in ("LE", "TRUE") for size in ("1", "2")
    ]


def test_members_are_timed_beside_the_le_alone() -> None:
    found = runpy.run_path(str(BENCHMARKS / "ensemble.py"), run_name="benchmark")["seconds"](
        3, 2, 1
    )
    assert set(found) == {"alone", "members"}
    assert min(found["alone"].min(), found["members"].min()) > 0
