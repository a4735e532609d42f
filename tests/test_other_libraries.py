"""The examples of libraries with environments of their own; skipped where those were not made."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "examples" / "other_libraries"
MAKE_VENV: dict[str, Any] = runpy.run_path(str(HERE / "make_venv.py"))


def test_each_library_has_pinned_requirements_and_an_example() -> None:
    assert MAKE_VENV["LIBRARIES"] == ["rllib", "tianshou", "torchrl"]
    tested = re.findall(r"^torch==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    for library in MAKE_VENV["LIBRARIES"]:
        assert (HERE / f"{library}_ppo.py").is_file()
        pins = (HERE / f"{library}.txt").read_text().splitlines()
        assert all(re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.]+", pin) for pin in pins)
        assert f"torch=={tested[0]}" in pins


@pytest.mark.libraries
@pytest.mark.slow
@pytest.mark.parametrize("library", MAKE_VENV["LIBRARIES"])
def test_the_example_of_a_library_runs(library: str, tmp_path: Path) -> None:
    python = MAKE_VENV["python_of"](library)
    if not python.is_file():
        pytest.skip(f"no {python}: run examples/other_libraries/make_venv.py {library}")
    small = ["--id", "LLMRec/TrueTaste-v1", "--steps", "2048", "--episodes", "4"]
    done = subprocess.run(
        [python, HERE / f"{library}_ppo.py", *small],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = re.findall(r"^(\w+) +return +\d+\.\d\d ± \d+\.\d\d", done.stdout, re.MULTILINE)
    assert rows == ["random", "greedy", "sampled"]
