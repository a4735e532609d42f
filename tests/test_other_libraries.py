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
AGENTS = ["rllib", "tianshou", "torchrl"]
FOR_LANGUAGE_MODELS = ["openenv", "verifiers"]
"""Each has tests of its own, which run with its own Python."""
MAKE_VENV: dict[str, Any] = runpy.run_path(str(HERE / "make_venv.py"))


def test_each_library_has_pinned_requirements_and_an_example() -> None:
    assert MAKE_VENV["LIBRARIES"] == sorted([*AGENTS, *FOR_LANGUAGE_MODELS])
    tested = re.findall(r"^torch==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    for library in MAKE_VENV["LIBRARIES"]:
        assert MAKE_VENV["example_of"](library).is_file()
        pins = (HERE / f"{library}.txt").read_text().splitlines()
        assert all(re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.]+", pin) for pin in pins)
        assert f"torch=={tested[0]}" in pins


def run(library: str, folder: Path, *arguments: str | Path) -> str:
    """What a library's own Python prints."""
    python = MAKE_VENV["python_of"](library)
    if not python.is_file():
        pytest.skip(f"no {python}: run examples/other_libraries/make_venv.py {library}")
    done = subprocess.run(
        [python, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@pytest.mark.libraries
@pytest.mark.slow
@pytest.mark.parametrize("library", AGENTS)
def test_the_agent_of_a_library_runs(library: str, tmp_path: Path) -> None:
    small = ["--id", "LLMRec/TrueTaste-v1", "--steps", "2048", "--episodes", "4"]
    printed = run(library, tmp_path, HERE / f"{library}_ppo.py", *small)
    rows = re.findall(r"^(\w+) +return +\d+\.\d\d ± \d+\.\d\d", printed, re.MULTILINE)
    assert rows == ["random", "greedy", "sampled"]


@pytest.mark.libraries
@pytest.mark.slow
@pytest.mark.parametrize("library", FOR_LANGUAGE_MODELS)
def test_the_tests_of_a_library_pass_in_its_environment(library: str, tmp_path: Path) -> None:
    tests = ROOT / "tests" / "shop" / f"test_{library}.py"
    options = ["-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider"]
    assert " passed" in run(library, tmp_path, *options, tests)


@pytest.mark.libraries
@pytest.mark.slow
@pytest.mark.parametrize("environment", ["shop", "recommender"])
def test_agents_at_once_on_a_server_of_openenv(environment: str, tmp_path: Path) -> None:
    small = ["--environment", environment, "--agents", "3", "--episodes", "2"]
    printed = run("openenv", tmp_path, HERE / "openenv_sessions.py", *small)
    returns = [float(r) for r in re.findall(r"^agent \d +mean return (\S+)$", printed, re.M)]
    whole = float(re.findall(r"^all +mean return (\S+)$", printed, re.M)[0])
    assert whole == pytest.approx(sum(returns) / 3, abs=0.02)
    assert whole > 0
