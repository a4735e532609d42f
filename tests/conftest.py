"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chat_server import ChatServer, Script, chat_servers

from llmrec_env.common import progress

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny tensors: more threads only wait for each other

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
Launch = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def no_progress() -> Iterator[None]:
    """Tests print no progress bars; one about them shows them with ``progress.hidden(False)``."""
    with progress.hidden():
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public datasets that stands beside the checkout."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("../shared/data is absent: no public datasets to read")
    return folder


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The folder of small pretrained checkpoints that stands beside the checkout."""
    folder = SHARED / "models"
    if not folder.is_dir():
        pytest.skip("../shared/models is absent: no pretrained checkpoint to read")
    return folder


@pytest.fixture(scope="session")
def launch() -> Launch:
    """Run a script, or ``-m`` and a module, in two processes as a user does: exit code, output."""

    def run(*arguments: str | Path, seconds: int = 240) -> tuple[int, str]:
        command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
        command += ["--num_processes", "2", "--num_machines", "1", "--main_process_port", "0"]
        command += ["--mixed_precision", "no", "--dynamo_backend", "no", *map(str, arguments)]
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)  # the launcher passes it on to both
            output, _ = process.communicate(timeout=60)
            pytest.fail(f"two processes had not ended after {seconds} s:\n{output}")
        return process.returncode, output

    return run


@pytest.fixture
def serve() -> Iterator[Callable[[Script], ChatServer]]:
    """Start a server that answers as a script says."""
    with chat_servers() as start:
        yield start


@pytest.fixture
def run_example(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., str]:
    """Run an example as from a shell against a server; returns what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def run(server: ChatServer, name: str, *options: str) -> str:
        arguments = ["--base-url", server.url, "--model", "scripted", *options]
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
        return capsys.readouterr().out

    return run
