"""Jobs over processes: all done, the same as in one process, and one clear error when not."""

from __future__ import annotations

import io
import os
import signal
from functools import partial
from pathlib import Path

import pytest
import torch
from rich.console import Console

from llmrec_env.common import progress
from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.common.parallel import run_jobs
from llmrec_env.common.progress import track

pytestmark = pytest.mark.core


def write_threads(path: Path) -> None:
    path.write_text(str(torch.get_num_threads()))


def fail() -> None:
    raise DataError("this log is broken")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def count(n: int) -> None:
    for _ in track(range(n), "count sheep"):
        pass


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_runs_once_with_one_thread(workers: int, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    paths = [tmp_path / str(i) for i in range(3)]
    jobs = {path.name: partial(write_threads, path) for path in paths}
    run_jobs(jobs, workers, show=False)
    assert [path.read_text() for path in paths] == ["1", "1", "1"]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_job_comes_out_as_it_is(workers: int, tmp_path: Path) -> None:
    jobs = {"good": partial(write_threads, tmp_path / "good"), "bad": fail}
    with pytest.raises(DataError, match="this log is broken"):
        run_jobs(jobs, workers, show=False)


def test_a_killed_worker_is_one_clear_error() -> None:
    with pytest.raises(LLMRecError, match=r"was killed .* start again with fewer workers"):
        run_jobs({"one": die, "two": die}, workers=2, show=False)


def test_the_bars_of_the_workers_are_drawn_here(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=screen, force_terminal=True, width=80))
    run_jobs({"first": partial(count, 3), "second": partial(count, 4)}, workers=2)
    printed = screen.getvalue()
    assert "first" in printed
    assert "second" in printed
    assert "count sheep" in printed
