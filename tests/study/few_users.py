"""The embedded LE beside a world of few users, small enough for whole experiments."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from llmrec_env.common.files import read_json, write_json
from llmrec_env.users.origin import EMBEDDED

WORLD = (800, 40)  # the embedded LE's own items, and few users


def le_of_nobody() -> Path:
    """The embedded LE, which does not say from whom it learned: not from the few users here."""
    folder = Path(tempfile.mkdtemp(prefix="llmrec-test-"))
    atexit.register(shutil.rmtree, folder)
    shutil.copytree(EMBEDDED, folder / "le")
    described = read_json(folder / "le" / "config.json")
    learning = described["record"]["learning"]
    del described["manifest"], learning["training_users"], learning["training_log"]
    write_json(folder / "le" / "config.json", described)
    return folder / "le"
