"""Jobs for other processes, which import no torch for those that need none."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from llmrec_env.common.errors import DataError
from llmrec_env.common.progress import track


def write_threads(path: Path) -> None:
    import torch

    path.write_text(str(torch.get_num_threads()))


def fail() -> None:
    raise DataError("this log is broken")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def count(n: int) -> None:
    """Count so slowly that somebody can see it."""
    for _ in track(range(n), "count sheep"):
        time.sleep(0.3)


def write_what_is_there(path: Path) -> None:
    path.write_text(" ".join(sorted(other.name for other in path.parent.iterdir())))


def tick(path: Path) -> None:
    """Touch a file for half a minute."""
    for _ in range(300):
        path.touch()
        time.sleep(0.1)
