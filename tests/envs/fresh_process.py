"""Runs a script in a process of its own, which has two threads and knows what this one imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def printed_by(script: str, folder: Path) -> str:
    """What a script prints, which must end well; it stands in ``folder``."""
    path = folder / "script.py"
    path.write_text(script)
    done = subprocess.run(
        [sys.executable, path],
        env={**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
