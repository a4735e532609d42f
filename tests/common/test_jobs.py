"""Jobs over processes: all done, the same as in one process, and one clear error when not."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from light_jobs import count, die, fail, tick, write_threads, write_what_is_there
from rich.console import Console

from llmrec_env.common import progress
from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.common.jobs import Job, run_jobs

pytestmark = pytest.mark.core


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_runs_once_with_one_thread(workers: int, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    paths = [tmp_path / str(i) for i in range(3)]
    jobs = {path.name: partial(write_threads, path) for path in paths}
    run_jobs(jobs, workers)
    assert [path.read_text() for path in paths] == ["1", "1", "1"]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_job_comes_out_as_it_is(workers: int, tmp_path: Path) -> None:
    jobs = {"good": partial(write_what_is_there, tmp_path / "good"), "bad": fail}
    with pytest.raises(DataError, match="this log is broken"):
        run_jobs(jobs, workers)


def test_after_an_error_no_other_job_begins(tmp_path: Path) -> None:
    paths = [tmp_path / str(i) for i in range(9)]
    jobs: dict[str, Job] = {path.name: partial(tick, path) for path in paths}
    with pytest.raises(DataError, match="this log is broken"):
        run_jobs({"bad": fail, **jobs}, workers=2)
    assert sum(path.exists() for path in paths) <= 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_begins_when_those_that_it_needs_are_done(workers: int, tmp_path: Path) -> None:
    jobs = {name: partial(write_what_is_there, tmp_path / name) for name in "cba"}
    run_jobs(jobs, workers, {"c": ["a", "b", "done before"], "b": ["a"]})
    assert (tmp_path / "b").read_text() in ("a", "a b")
    assert "a b" in (tmp_path / "c").read_text()
    with pytest.raises(LLMRecError, match="wait for each other: b, a"):
        run_jobs(jobs, workers, {"a": ["b"], "b": ["a"]})


def test_a_killed_worker_is_one_clear_error() -> None:
    with pytest.raises(LLMRecError, match=r"was killed .* start again with fewer workers"):
        run_jobs({"one": die, "two": die}, workers=2)


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "from functools import partial; from pathlib import Path; import light_jobs\n"
        "from llmrec_env.common.jobs import Job, run_jobs\n"
        "if __name__ == '__main__':\n"
        f"    path = Path({str(tmp_path)!r})\n"
        "    jobs = {n: partial(light_jobs.tick, path / n) for n in 'ab'}\n"
        "    run_jobs(jobs, 2)\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    parent = subprocess.Popen([sys.executable, str(script)], env=environment)
    ticks = [tmp_path / name for name in "ab"]
    wait_until(lambda: all(path.exists() for path in ticks))
    parent.kill()
    parent.wait()
    wait_until(lambda: all(time.time() - path.stat().st_mtime > 2 for path in ticks))


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for something that must come within a minute."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_the_bars_of_the_workers_are_drawn_here(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=screen, force_terminal=True, width=80))
    with progress.hidden(False):
        run_jobs({"first": partial(count, 3), "second": partial(count, 4)}, workers=2)
    printed = screen.getvalue()
    assert "first" in printed
    assert "second" in printed
    assert "count sheep" in printed
